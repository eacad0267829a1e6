"""The files of deploy/ under the programs that read them.

Needs Debian's packages ``nginx-light`` and ``systemd`` (for systemd-analyze).
"""

import asyncio
import contextlib
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector, WSMsgType, web

from tests.support.coturn import free_port, write_certificate

DEPLOY = Path(__file__).parents[2] / "deploy"
TOKEN = "SecretLinkToken23"
NAME = "Zoraida"


def test_systemd_knows_every_setting_and_finds_the_unit_safe(tmp_path: Path) -> None:
    text = (DEPLOY / "candil.service").read_text()
    unit = tmp_path / "candil.service"
    unit.write_text(text.replace("/opt/candil/bin/candil", "/bin/true"))
    verified = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    complaints = [line for line in verified.stderr.splitlines() if "candil.service" in line]
    assert complaints == []
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
    )
    assert rated.returncode == 0, rated.stdout[-400:]


def nginx_config(tmp_path: Path, port: int, backend_port: int) -> Path:
    """deploy/nginx.conf as shipped, only with other ports, paths and certificate."""
    site = (DEPLOY / "nginx.conf").read_text()
    site = re.sub(r"listen \[::\]:\d+[^;]*;", "", site)
    site = site.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    site = site.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;")
    site = site.replace("127.0.0.1:8080", f"127.0.0.1:{backend_port}")
    site = site.replace("/var/log/nginx/", f"{tmp_path}/").replace("/etc/candil/tls/", f"{tmp_path}/")
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = tmp_path / "nginx.conf"
    path.write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/main-error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{site}\n}}\n"
    )
    tested = subprocess.run(["/usr/sbin/nginx", "-t", "-c", str(path)], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    return path


async def echo(request: web.Request) -> web.StreamResponse:
    if request.path != "/ws":
        return web.Response(text=request.headers["X-Forwarded-For"])
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


@contextlib.asynccontextmanager
async def backend(port: int) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def nginx(tmp_path: Path, backend_port: int) -> AsyncIterator[tuple[ClientSession, str]]:
    port = free_port()
    write_certificate(tmp_path, "127.0.0.1")
    config = nginx_config(tmp_path, port, backend_port)
    process = await asyncio.create_subprocess_exec("/usr/sbin/nginx", "-c", str(config))
    trust = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        async with ClientSession(connector=TCPConnector(ssl=trust)) as session:
            yield session, f"https://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def all_logs(tmp_path: Path) -> str:
    return "".join(path.read_text() for path in tmp_path.glob("*.log"))


@pytest.mark.parametrize("alive", [True, False])
async def test_neither_links_nor_queries_nor_referrers_are_written_down(tmp_path: Path, alive: bool) -> None:
    backend_port = free_port()
    async with contextlib.AsyncExitStack() as stack:
        if alive:
            await stack.enter_async_context(backend(backend_port))
        session, url = await stack.enter_async_context(nginx(tmp_path, backend_port))
        for path in (f"/i/{TOKEN}", f"/i/{TOKEN}/consent?x={TOKEN}", f"/board?search={NAME}"):
            answer = await session.get(url + path, headers={"Referer": f"{url}/i/{TOKEN}"})
            assert answer.status == (200 if alive else 502)
            assert not alive or await answer.text() == "127.0.0.1"
    log = all_logs(tmp_path)
    assert log.count("/i/- ") == 2
    assert "/board " in log
    assert TOKEN not in log
    assert NAME not in log


async def test_web_sockets_pass(tmp_path: Path) -> None:
    backend_port = free_port()
    async with backend(backend_port), nginx(tmp_path, backend_port) as (session, url):
        socket = await session.ws_connect(f"{url}/ws")
        await socket.send_str("hola")
        assert (await socket.receive(5)).data == "hola"
        await socket.close()
