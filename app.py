"""Chalice's view of Sluice: HTTP or an event in, one call, a response out."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.data_classes import S3Event
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from chalice.app import Chalice, CloudWatchEvent, ConvertToMiddleware, Rate, Request, Response
from chalice.app import S3Event as ChaliceS3Event

from chalicelib import http, settings
from chalicelib.api import health, jobs, uploads
from chalicelib.flow.intake import announce
from chalicelib.flow.sweep import sweep
from chalicelib.lifecycle import Action
from chalicelib.model import Source
from chalicelib.telemetry import logger, metrics
from chalicelib.wiring import services

app = Chalice(app_name="sluice")
for kind in ("s3", "scheduled"):
    app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context), event_type=kind)
app.register_middleware(ConvertToMiddleware(metrics.log_metrics), event_type="s3")


@app.middleware("http")
def finish(event: Request, get_response: Callable[[Request], Response]) -> Response:
    """Every answer passes here."""
    return http.answered(event, get_response)


@app.route("/uploads", methods=["POST"])
@http.problems
def create_upload() -> Response:
    """Registers a job and says where to send its file."""
    return uploads.create(services(), http.body(_request()))


@app.route("/uploads/{job_id}", methods=["DELETE"])
@http.problems
def abort_upload(job_id: str) -> Response:
    """Stops a job before its file has arrived."""
    return uploads.abort(services(), job_id)


@app.route("/uploads/{job_id}/parts", methods=["POST"])
@http.problems
def sign_parts(job_id: str) -> Response:
    """Says where to send parts of a file."""
    return uploads.sign_parts(services(), job_id, http.body(_request()))


@app.route("/uploads/{job_id}/parts")
@http.problems
def list_parts(job_id: str) -> Response:
    """The parts of a file that have arrived."""
    return uploads.list_parts(services(), job_id, _query())


@app.route("/uploads/{job_id}/complete", methods=["POST"])
@http.problems
def complete_upload(job_id: str) -> Response:
    """Makes a file of its parts."""
    return uploads.complete(services(), job_id)


@app.route("/jobs")
@http.problems
def list_jobs() -> Response:
    """Jobs, newest first."""
    return jobs.list_jobs(services(), _query())


@app.route("/jobs/{job_id}")
@http.problems
def show_job(job_id: str) -> Response:
    """How far a job is."""
    return jobs.show_job(services(), job_id)


@app.route("/jobs/{job_id}/cancel", methods=["POST"])
@http.problems
def cancel_job(job_id: str) -> Response:
    """Stops a job."""
    return jobs.act(services(), job_id, Action.CANCEL)


@app.route("/jobs/{job_id}/retry", methods=["POST"])
@http.problems
def retry_job(job_id: str) -> Response:
    """Goes on with a job that failed or was canceled."""
    return jobs.act(services(), job_id, Action.RETRY)


@app.route("/jobs/{job_id}/undo", methods=["POST"])
@http.problems
def undo_job(job_id: str) -> Response:
    """Removes the rows that a job alone brought."""
    return jobs.act(services(), job_id, Action.UNDO)


@app.route("/jobs/{job_id}/errors")
@http.problems
def list_errors(job_id: str) -> Response:
    """The records of a job that were rejected, and why."""
    return jobs.list_errors(services(), job_id, _query())


@app.route("/healthz")
@http.problems
def show_health() -> Response:
    """Whether everything that Sluice depends on is there."""
    return health.health(services())


@app.on_s3_event(settings.load().bucket, events=["s3:ObjectCreated:*"])
def on_upload(event: ChaliceS3Event) -> dict[str, Any]:
    """Puts the jobs of the objects that arrived on the queue."""
    objects = [_object(record) for record in S3Event(event.to_dict()).records]
    metrics.add_metric(name="ObjectsArrived", unit="Count", value=len(objects))
    announced = announce(objects, services().intake)
    metrics.add_metric(name="ObjectsAnnounced", unit="Count", value=announced)
    return {"announced": announced}


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_schedule(_event: CloudWatchEvent) -> dict[str, int]:
    """Looks for what no event or message told of."""
    return sweep(services().sweeper)


def _object(record: S3EventRecord) -> Source:
    stored = record.s3.get_object
    key = unquote_plus(stored.key)
    return Source(record.s3.bucket.name, key, stored.etag, stored.size, stored.version_id or None)


def _request() -> Request:
    if app.current_request is None:
        raise AssertionError("asked for the request outside of one")
    return app.current_request


def _query() -> dict[str, str]:
    """The query's parameters; of one that is given twice, the last."""
    return {name: str(value) for name, value in (_request().query_params or {}).items()}
