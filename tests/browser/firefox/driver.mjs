// One Firefox page, driven over WebDriver BiDi by lines of JSON: {id, do, ...} in, {id, value | error} out.
// The other side is tests/support/firefox.py.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "intl.accept_languages": "es-VE, es",
};
const WAIT_MS = 20000;

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath: process.env.FIREFOX || "/usr/bin/firefox-esr",
  headless: true,
  extraPrefsFirefox: PREFERENCES,
});
const page = await browser.newPage();
const errors = [];
page.on("pageerror", (error) => errors.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") errors.push(message.text());
});
await page.setViewport({ width: 450, height: 760 });

const shown = (selector) => page.waitForSelector(selector, { visible: true, timeout: WAIT_MS });

const acts = {
  watch: async ({ script }) => void (await page.evaluateOnNewDocument(script)),
  goto: async ({ url }) => void (await page.goto(url, { waitUntil: "domcontentloaded" })),
  reload: async () => void (await page.reload({ waitUntil: "domcontentloaded" })),
  wait: async ({ selector }) => void (await shown(selector)),
  click: async ({ selector }) => void (await (await shown(selector)).click()),
  submit: async ({ selector }) => {
    const element = await shown(selector);
    await Promise.all([page.waitForNavigation({ waitUntil: "domcontentloaded", timeout: WAIT_MS }), element.click()]);
  },
  type: async ({ selector, text }) => void (await (await shown(selector)).type(text)),
  evaluate: async ({ script }) => page.evaluate(script),
  text: async () => page.evaluate("document.body.innerText"),
  url: async () => page.url(),
  errors: async () => errors,
};

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
say({ id: 0, value: await browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, do: act, ...given } = JSON.parse(line);
  try {
    say({ id, value: (await acts[act](given)) ?? null });
  } catch (error) {
    say({ id, error: String(error) });
  }
}
await browser.close();
