"""The schema. Times are Unix seconds UTC (float); ids are text; JSON is text that we encode ourselves.

The same tables live in SQLite and PostgreSQL; migrations/ is how they came to be, and a test holds
the two equal.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A serial that grows on both databases; SQLite wants plain INTEGER for its rowid.
_Serial = BigInteger().with_variant(Integer(), "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

staff = Table(
    "staff",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("clinic_id", String(32), nullable=False),
    Column("login", String(120), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("practitioner_system", Text, nullable=False),
    Column("practitioner_value", Text, nullable=False),
    Column("locale", String(8), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("disabled_at", Float),
    UniqueConstraint("clinic_id", "login"),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("staff_id", ForeignKey("staff.id"), nullable=False, index=True),
    Column("csrf_token", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_seen_at", Float, nullable=False),
    Column("revoked_at", Float),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("clinic_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

consults = Table(
    "consults",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("clinic_id", String(32), nullable=False),
    Column("doctor_id", ForeignKey("staff.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("patient_system", Text, nullable=False),
    Column("patient_value", Text, nullable=False),
    Column("patient_name", Text, nullable=False),
    Column("patient_phone", Text, nullable=False),
    Column("patient_is_minor", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False),
    Column("locale", String(8), nullable=False),
    Column("scheduled_at", Float, nullable=False),
    Column("duration_min", Integer, nullable=False),
    Column("external_id", String(120)),
    Column("created_at", Float, nullable=False),
    Column("arrived_at", Float),
    Column("started_at", Float),
    Column("conversation_ended_at", Float),
    Column("finished_at", Float),
    Column("cancelled_at", Float),
    Column("event_seq", Integer, nullable=False, default=0),
    Column("note_revision", Integer, nullable=False, default=0),
    Index("ix_consults_clinic_id_scheduled_at", "clinic_id", "scheduled_at"),
    Index("ix_consults_doctor_id_status", "doctor_id", "status"),
    Index("ix_consults_clinic_id_patient_value", "clinic_id", "patient_value"),
    UniqueConstraint("clinic_id", "external_id"),
)

participants = Table(
    "participants",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("consult_id", ForeignKey("consults.id"), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("staff_id", ForeignKey("staff.id")),
    Column("admission", String(16), nullable=False),
    Column("media", String(8), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("waiting_since", Float),
    Column("admitted_at", Float),
    Column("delivered_seq", Integer, nullable=False, default=0),
    Column("read_seq", Integer, nullable=False, default=0),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("consult_id", ForeignKey("consults.id"), nullable=False, index=True),
    Column("participant_id", ForeignKey("participants.id"), nullable=False, index=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("opened_at", Float),
    Column("revoked_at", Float),
)

participant_sessions = Table(
    "participant_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("participant_id", ForeignKey("participants.id"), nullable=False, index=True),
    Column("invitation_id", ForeignKey("invitations.id"), nullable=False, index=True),
    Column("csrf_token", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)

consents = Table(
    "consents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("consult_id", ForeignKey("consults.id"), nullable=False, index=True),
    Column("participant_id", ForeignKey("participants.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("wording_version", String(32), nullable=False),
    Column("wording_locale", String(8), nullable=False),
    Column("wording_sha256", String(64), nullable=False),
    Column("wording_text", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("representative_relation", Text, nullable=False),
    Column("method", String(16), nullable=False),
    Column("recorded_at", Float, nullable=False),
)

timeline = Table(
    "timeline",
    metadata,
    Column("consult_id", ForeignKey("consults.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("audience", String(8), nullable=False),
    Column("actor", String(40), nullable=False),
    Column("data", Text, nullable=False),
    Column("at", Float, nullable=False),
)

line_history = Table(
    "line_history",
    metadata,
    Column("consult_id", ForeignKey("consults.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("participant_id", ForeignKey("participants.id"), nullable=False),
    Column("at", Float, nullable=False),
    Column("down", String(12), nullable=False),
    Column("up", String(12), nullable=False),
    Column("down_reason", String(20), nullable=False),
    Column("up_reason", String(20), nullable=False),
    Column("down_bps", BigInteger, nullable=False),
    Column("up_bps", BigInteger, nullable=False),
    Column("concealed", Float, nullable=False, default=0.0),
)

messages = Table(
    "messages",
    metadata,
    Column("consult_id", ForeignKey("consults.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("sender_id", ForeignKey("participants.id"), nullable=False),
    Column("client_id", String(40), nullable=False),
    Column("client_seq", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("audience", String(8), nullable=False, server_default="all"),
    Column("attachment_id", ForeignKey("attachments.id")),
    UniqueConstraint("consult_id", "client_id", "client_seq"),
    UniqueConstraint("attachment_id"),
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("consult_id", ForeignKey("consults.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("participant_id", ForeignKey("participants.id"), nullable=False),
    Column("upload_id", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(12), nullable=False),
    Column("refusal", String(24), nullable=False, default=""),
    Column("created_at", Float, nullable=False),
    Column("kept_at", Float),
    Column("heard_at", Float),
    UniqueConstraint("consult_id", "seq"),
    UniqueConstraint("participant_id", "upload_id"),
)

attachment_parts = Table(
    "attachment_parts",
    metadata,
    Column("attachment_id", ForeignKey("attachments.id"), primary_key=True),
    Column("part", String(8), primary_key=True),
    Column("declared_bytes", Integer, nullable=False),
    Column("declared_sha256", String(64), nullable=False),
    Column("received_bytes", Integer, nullable=False, default=0),
    Column("width", Integer, nullable=False, default=0),
    Column("height", Integer, nullable=False, default=0),
    Column("duration_ms", Integer, nullable=False, server_default="0"),
    Column("kept_bytes", Integer, nullable=False, server_default="0"),
    Column("sha256", String(64), nullable=False, default=""),
    Column("data", LargeBinary),
)

attachment_chunks = Table(
    "attachment_chunks",
    metadata,
    Column("attachment_id", ForeignKey("attachments.id"), primary_key=True),
    Column("part", String(8), primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

note_operations = Table(
    "note_operations",
    metadata,
    Column("consult_id", ForeignKey("consults.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("client_id", String(40), nullable=False),
    Column("client_seq", Integer, nullable=False),
    Column("base_revision", Integer, nullable=False),
    Column("field", String(80), nullable=False),
    Column("value", Text, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("author_id", ForeignKey("staff.id"), nullable=False),
    Column("at", Float, nullable=False),
    UniqueConstraint("consult_id", "client_id", "client_seq"),
)

records = Table(
    "records",
    metadata,
    Column("consult_id", ForeignKey("consults.id"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("signed_by", ForeignKey("staff.id"), nullable=False),
    Column("signed_at", Float, nullable=False),
)

outbox_events = Table(
    "outbox_events",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("clinic_id", String(32), nullable=False),
    Column("consult_id", ForeignKey("consults.id"), nullable=False, index=True),
    Column("type", String(40), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", Float, nullable=False, index=True),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("event_id", ForeignKey("outbox_events.id"), nullable=False),
    Column("consult_id", String(32), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("target", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Float, nullable=False),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("last_error", Text, nullable=False, default=""),
    Column("detail", Text, nullable=False, default=""),
    Column("sent_at", Float),
    Column("received_at", Float),
    UniqueConstraint("event_id", "target"),
    Index("ix_deliveries_state_next_attempt_at", "state", "next_attempt_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("clinic_id", String(32), nullable=False),
    Column("actor", String(40), nullable=False),
    Column("act", String(48), nullable=False),
    Column("consult_id", String(32), index=True),
    Column("detail", Text, nullable=False),
)

diagnosis_codes = Table(
    "diagnosis_codes",
    metadata,
    Column("system", String(200), primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("display", Text, nullable=False),
    Column("search", Text, nullable=False),
)
