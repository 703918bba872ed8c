"""Chalice's view of Sluice: HTTP or an event in, one call, a response out."""

from typing import Any

from chalice import app as chalice

from chalicelib import settings
from chalicelib.api import health, http, jobs, uploads
from chalicelib.backends.postgres.migrate import migrate as apply_migrations
from chalicelib.core.lifecycle import Action
from chalicelib.telemetry import logger, traced_function
from chalicelib.wiring import services

chosen = settings.load()
app = chalice.Chalice(app_name="sluice")
for kind in ("s3", "scheduled", "sqs", "pure_lambda"):
    app.register_middleware(chalice.ConvertToMiddleware(logger.inject_lambda_context), event_type=kind)
app.register_middleware(chalice.ConvertToMiddleware(traced_function), event_type="all")
app.middleware("http")(http.answered)


@app.route("/uploads", methods=["POST"])
@http.problems
def create_upload() -> chalice.Response:
    """Registers a job and says where to send its file."""
    return uploads.create(services(), http.body(app.current_request))


@app.route("/uploads/{job_id}", methods=["DELETE"])
@http.problems
def abort_upload(job_id: str) -> chalice.Response:
    """Stops a job before its file has arrived."""
    return uploads.abort(services(), job_id)


@app.route("/uploads/{job_id}/parts", methods=["POST"])
@http.problems
def sign_parts(job_id: str) -> chalice.Response:
    """Says where to send parts of a file."""
    return uploads.sign_parts(services(), job_id, http.body(app.current_request))


@app.route("/uploads/{job_id}/parts")
@http.problems
def list_parts(job_id: str) -> chalice.Response:
    """The parts of a file that have arrived."""
    return uploads.list_parts(services(), job_id, http.query(app.current_request))


@app.route("/uploads/{job_id}/complete", methods=["POST"])
@http.problems
def complete_upload(job_id: str) -> chalice.Response:
    """Makes a file of its parts."""
    return uploads.complete(services(), job_id)


@app.route("/jobs")
@http.problems
def list_jobs() -> chalice.Response:
    """Jobs, newest first."""
    return jobs.list_jobs(services(), http.query(app.current_request))


@app.route("/jobs/{job_id}")
@http.problems
def show_job(job_id: str) -> chalice.Response:
    """How far a job is."""
    return jobs.show_job(services(), job_id)


@app.route("/jobs/{job_id}/cancel", methods=["POST"])
@http.problems
def cancel_job(job_id: str) -> chalice.Response:
    """Stops a job."""
    return jobs.act(services(), job_id, Action.CANCEL)


@app.route("/jobs/{job_id}/retry", methods=["POST"])
@http.problems
def retry_job(job_id: str) -> chalice.Response:
    """Goes on with a job that failed or was canceled."""
    return jobs.act(services(), job_id, Action.RETRY)


@app.route("/jobs/{job_id}/undo", methods=["POST"])
@http.problems
def undo_job(job_id: str) -> chalice.Response:
    """Removes the rows that a job alone brought."""
    return jobs.act(services(), job_id, Action.UNDO)


@app.route("/jobs/{job_id}/errors")
@http.problems
def list_errors(job_id: str) -> chalice.Response:
    """The records of a job that were rejected, and why."""
    return jobs.list_errors(services(), job_id, http.query(app.current_request))


@app.route("/healthz")
@http.problems
def show_health() -> chalice.Response:
    """Whether everything that Sluice depends on is there."""
    return health.health(services())


def on_upload(event: chalice.S3Event | dict[str, Any], _context: object = None) -> dict[str, int]:
    """Puts the jobs of the objects that arrived on the queue."""
    from chalicelib.entrypoints.s3_events import handle_s3_event

    return handle_s3_event(event if isinstance(event, dict) else event.to_dict(), services().intake)


if chosen.bucket_events == "chalice":
    on_upload = app.on_s3_event(chosen.bucket, events=["s3:ObjectCreated:*"])(on_upload)
else:  # `chalice package` cannot do that: see infra/cloudformation/merge.yaml
    on_upload = app.lambda_function()(on_upload)


@app.schedule(chalice.Rate(1, unit=chalice.Rate.MINUTES))
def on_schedule(_event: chalice.CloudWatchEvent) -> dict[str, int]:
    """Looks for what no event or message told of."""
    return services().sweeper.sweep()


def on_job(event: chalice.SQSEvent) -> None:
    """Works on a job for as long as the invocation may take."""
    from chalicelib.entrypoints.lambda_worker import handle_invocation  # with pyarrow: this function has it

    context: Any = event.context
    built = services()
    handle_invocation(
        event.to_dict(),
        built.sqs_receiver,
        lambda: built.lambda_message_handler,
        seconds=context.get_remaining_time_in_millis() / 1000 - built.settings.grace_seconds,
    )


if chosen.lambda_workers:
    queue = chosen.queue_url.rpartition("/")[2]
    on_job = app.on_sqs_message(queue, batch_size=1, maximum_concurrency=chosen.lambda_workers)(on_job)


@app.lambda_function()
def migrate(_event: dict[str, Any], _context: object) -> dict[str, list[str]]:
    """Brings the database to the schema of this version."""
    return {"applied": apply_migrations(services().database_url())}
