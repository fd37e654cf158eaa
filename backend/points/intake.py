"""The intake worker: rows of uploads become events and accruals, a chunk a transaction, all by sets."""

from __future__ import annotations

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from backend.database import transaction, utc_now
from backend.money import MAX_AMOUNT_MINOR, digits
from backend.points.models import Upload
from backend.points.repository import lock_open_upload
from backend.points.rules import POINTS_LIMIT
from backend.programmes.repository import get_programme

log = structlog.get_logger(__name__)
CHUNK_ROWS = 10_000

_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS intake_chunk (
    line_number integer, reference text, kind text, amount_minor numeric, occurred_at timestamptz, location text,
    channel text, enrolment_id text, points numeric, reason text, detail text, event_id bigint
) ON COMMIT DELETE ROWS
"""
# A row is judged by the first thing that is wrong with it. Casts come only after their pattern has matched.
_TAKE = """
WITH taken AS (
    DELETE FROM intake_rows WHERE id IN (
        SELECT id FROM intake_rows WHERE upload_id = :upload_id ORDER BY line_number LIMIT :chunk_rows)
    RETURNING *
), shaped AS (
    SELECT t.*, coalesce(nullif(t.kind, ''), 'purchase') AS word,
        length(t.amount) <= 17 AND t.amount ~ '^[0-9]+(\\.[0-9]+)?$' AS amount_ok,
        t.occurred_at ~ ('^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?'
                         '([Zz]|[+-][0-9]{2}:?[0-9]{2})$')
            AND pg_input_is_valid(t.occurred_at, 'timestamptz') AS time_ok
    FROM taken t
), cast_ AS (
    SELECT s.*, CASE WHEN amount_ok THEN s.amount::numeric * :minor_units END AS minor,
        CASE WHEN time_ok THEN s.occurred_at::timestamptz END AS moment
    FROM shaped s
), judged AS (
    SELECT c.*, e.id AS enrolment_id, CASE
        WHEN length(c.reference) NOT BETWEEN 1 AND 64 OR c.reference ~ '[[:cntrl:]]' THEN 'invalid_reference'
        WHEN NOT amount_ok OR minor <> trunc(minor) OR minor > :max_minor THEN 'invalid_amount'
        WHEN NOT time_ok OR extract(year FROM moment) NOT BETWEEN 1970 AND 2148 THEN 'invalid_time'
        WHEN length(word) > 24 OR word !~ '^[a-z][a-z0-9_]*$' THEN 'invalid_kind'
        WHEN length(c.location) > 64 THEN 'invalid_location'
        WHEN length(c.channel) > 24 OR c.channel !~ '^[a-z][a-z0-9_]*$' THEN 'invalid_channel'
        WHEN e.id IS NULL THEN 'unknown_member'
        WHEN div(minor * :earn_points, :earn_per_minor) >= :points_limit THEN 'too_many_points'
        END AS reason
    FROM cast_ c LEFT JOIN enrolments e ON e.programme_id = :programme_id AND e.reference = c.member_reference
)
INSERT INTO intake_chunk
SELECT line_number, reference, word, minor, moment, nullif(location, ''), nullif(channel, ''), enrolment_id,
    CASE WHEN reason IS NULL THEN div(minor * :earn_points, :earn_per_minor) END, reason,
    CASE reason WHEN 'invalid_reference' THEN 'the reference is not 1 to 64 printable characters'
        WHEN 'invalid_amount' THEN 'not an amount in the currency: ' || left(amount, 40)
        WHEN 'invalid_time' THEN 'not an RFC 3339 time with a zone: ' || left(occurred_at, 40)
        WHEN 'invalid_kind' THEN 'not a lower-case word: ' || left(word, 40)
        WHEN 'invalid_location' THEN 'longer than 64 characters'
        WHEN 'invalid_channel' THEN 'not a lower-case word: ' || left(channel, 40)
        WHEN 'unknown_member' THEN 'nobody is enrolled as ' || left(member_reference, 64)
        WHEN 'too_many_points' THEN 'earns more points than an account can hold' END,
    CASE WHEN reason IS NULL THEN nextval('events_id_seq') END
FROM judged
"""
_ADD = """
WITH added AS (
    INSERT INTO events (id, programme_id, enrolment_id, reference, kind, amount_minor, occurred_at, location, channel)
    SELECT event_id, :programme_id, enrolment_id, reference, kind, amount_minor, occurred_at, location, channel
    FROM intake_chunk WHERE reason IS NULL ORDER BY line_number
    ON CONFLICT (programme_id, reference) DO NOTHING RETURNING id
)
INSERT INTO accruals (event_id, programme_id, enrolment_id, points, matures_at)
SELECT event_id, :programme_id, enrolment_id, points,
    occurred_at + make_interval(secs => :return_period_seconds)
FROM intake_chunk JOIN added ON added.id = event_id ORDER BY event_id
"""
_COMPARE = """
UPDATE intake_chunk c SET
    reason = CASE WHEN same THEN 'duplicate' ELSE 'reference_reused' END,
    detail = CASE WHEN same THEN '' ELSE 'the reference came with another event before: evt_' || known.id END
FROM (
    SELECT e.id, c.line_number AS line, e.enrolment_id = c.enrolment_id AND e.kind = c.kind
        AND e.amount_minor = c.amount_minor AND e.occurred_at = c.occurred_at
        AND e.location IS NOT DISTINCT FROM c.location AND e.channel IS NOT DISTINCT FROM c.channel AS same
    FROM intake_chunk c JOIN events e ON e.programme_id = :programme_id AND e.reference = c.reference
    WHERE c.reason IS NULL AND e.id <> c.event_id
) known WHERE c.line_number = known.line
"""
_REJECT = """
INSERT INTO intake_rejections (upload_id, line_number, reference, reason, detail)
SELECT :upload_id, line_number, left(reference, 64), reason, detail FROM intake_chunk
WHERE reason IS NOT NULL AND reason <> 'duplicate' ORDER BY line_number
"""
_COUNT = """
SELECT count(*), count(*) FILTER (WHERE reason = 'duplicate'),
    count(*) FILTER (WHERE reason IS NOT NULL AND reason <> 'duplicate') FROM intake_chunk
"""


class IntakeWorker:
    """Turns rows of uploads into events. Any number may run: each upload is worked on by one at a time.

    A chunk is one transaction that takes the rows out of `intake_rows`, so a worker that dies loses nothing and the
    next goes on where it stopped.
    """

    def __init__(self, sessions: sessionmaker[Session], chunk_rows: int = CHUNK_ROWS) -> None:
        self._sessions = sessions
        self._chunk_rows = chunk_rows

    def run_once(self) -> bool:
        """Works on one chunk; False when nothing waits that another worker has not taken."""
        with transaction(self._sessions) as session:
            upload = lock_open_upload(session)
            if upload is None:
                return False
            self._take(session, upload)
        return True

    def _take(self, session: Session, upload: Upload) -> None:
        programme = get_programme(session, upload.programme_id)
        values = {
            "upload_id": upload.id,
            "chunk_rows": self._chunk_rows,
            "programme_id": programme.id,
            "minor_units": 10 ** digits(programme.currency),
            "max_minor": MAX_AMOUNT_MINOR,
            "earn_points": programme.earn_points,
            "earn_per_minor": programme.earn_per_minor,
            "points_limit": POINTS_LIMIT,
            "return_period_seconds": programme.return_period_seconds,
        }
        for statement in (_TABLE, _TAKE, _ADD, _COMPARE, _REJECT):
            session.execute(text(statement), values)
        taken, duplicates, rejected = session.execute(text(_COUNT)).one()
        upload.processed_count += taken
        upload.duplicate_count += duplicates
        upload.rejected_count += rejected
        if upload.processed_count == upload.accepted_count:
            upload.completed_at = utc_now()
        log.info("intake_chunk", upload=upload.id, rows=taken, duplicates=duplicates, rejected=rejected)
