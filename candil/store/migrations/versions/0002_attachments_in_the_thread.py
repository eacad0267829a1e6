"""attachments in the thread

Every photo of before becomes a message at the end of its consult's thread, for the doctor and its sender.
"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('attachments', schema=None) as batch_op:
        batch_op.add_column(sa.Column('heard_at', sa.Float(), nullable=True))

    with op.batch_alter_table('attachment_parts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('duration_ms', sa.Integer(), server_default='0', nullable=False))
        batch_op.add_column(sa.Column('kept_bytes', sa.Integer(), server_default='0', nullable=False))

    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.add_column(sa.Column('audience', sa.String(length=8), server_default='all', nullable=False))
        batch_op.add_column(sa.Column('attachment_id', sa.String(length=32), nullable=True))
        batch_op.create_unique_constraint(batch_op.f('uq_messages_attachment_id'), ['attachment_id'])
        batch_op.create_foreign_key(batch_op.f('fk_messages_attachment_id'), 'attachments', ['attachment_id'], ['id'])

    op.execute("UPDATE attachment_parts SET kept_bytes = length(data) WHERE data IS NOT NULL")
    # Numbered after the last message of the consult, in the order of the attachments that show something.
    op.execute("""
        INSERT INTO messages (consult_id, seq, sender_id, client_id, client_seq, body, at, audience, attachment_id)
        SELECT a.consult_id,
               (SELECT COALESCE(MAX(m.seq), 0) FROM messages m WHERE m.consult_id = a.consult_id)
               + (SELECT COUNT(*) FROM attachments b WHERE b.consult_id = a.consult_id AND b.seq <= a.seq
                  AND EXISTS (SELECT 1 FROM attachment_parts p WHERE p.attachment_id = b.id AND p.sha256 <> '')),
               a.participant_id, a.id, 1, '', COALESCE(a.kept_at, a.created_at), 'doctor', a.id
        FROM attachments a
        WHERE EXISTS (SELECT 1 FROM attachment_parts p WHERE p.attachment_id = a.id AND p.sha256 <> '')
    """)


def downgrade() -> None:
    op.execute("DELETE FROM messages WHERE attachment_id IS NOT NULL")
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_messages_attachment_id'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('uq_messages_attachment_id'), type_='unique')
        batch_op.drop_column('attachment_id')
        batch_op.drop_column('audience')

    with op.batch_alter_table('attachment_parts', schema=None) as batch_op:
        batch_op.drop_column('kept_bytes')
        batch_op.drop_column('duration_ms')

    with op.batch_alter_table('attachments', schema=None) as batch_op:
        batch_op.drop_column('heard_at')
