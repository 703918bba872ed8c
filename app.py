"""Sluice as Chalice knows it: routes and triggers, and nothing else."""

from collections.abc import Callable
from typing import Any

from chalice import app as chalice

from chalicelib import settings
from chalicelib.api.context import RequestContext
from chalicelib.api.cors import answer_options
from chalicelib.api.middleware import Views, request_middleware
from chalicelib.api.pagination import PAGE
from chalicelib.api.views import (
    audit,
    datasets,
    health,
    jobs,
    keys,
    rejects,
    tenants,
    upload_tokens,
    uploads,
    workers,
)
from chalicelib.core.access import Scope
from chalicelib.core.audit import AuditAction
from chalicelib.core.lifecycle import Action
from chalicelib.entrypoints.migrate import migrate_database
from chalicelib.telemetry import logger, trace_handler
from chalicelib.wiring import services

settings.end_if_unconfigured()
environment = settings.load()
app = chalice.Chalice(app_name="sluice", configure_logs=False)
for kind in ("s3", "scheduled", "sqs", "pure_lambda"):
    app.register_middleware(chalice.ConvertToMiddleware(logger.inject_lambda_context), event_type=kind)
app.register_middleware(chalice.ConvertToMiddleware(trace_handler), event_type="all")


@app.middleware("http")
def around_request(
    request: chalice.Request, get_response: Callable[[chalice.Request], chalice.Response]
) -> chalice.Response:
    """See :func:`request_middleware`."""
    return request_middleware(request, get_response, origins=environment.allowed_origins)


view = Views(app, lambda: services().access, lambda: services().audit)


@app.route("/uploads", methods=["POST"])
@view(Scope.UPLOADS_WRITE, audit=AuditAction.UPLOAD_REGISTER, for_tokens=True)
def create_upload(context: RequestContext) -> chalice.Response:
    """Register a job and return the URLs to send its file to."""
    return uploads.create(context, services().of(context.reach, context.actor).uploads)


@app.route("/uploads/{job_id}", methods=["DELETE"])
@view(Scope.UPLOADS_WRITE, audit=AuditAction.UPLOAD_ABORT, for_tokens=True)
def abort_upload(context: RequestContext) -> chalice.Response:
    """Cancel a multipart upload and its job."""
    sluice = services().of(context.reach, context.actor)
    return uploads.abort(context, sluice.jobs, sluice.job_actions)


@app.route("/uploads/{job_id}/parts", methods=["POST"])
@view(Scope.UPLOADS_WRITE, for_tokens=True)
def sign_parts(context: RequestContext) -> chalice.Response:
    """Return the URLs to send parts of a file to."""
    sluice = services().of(context.reach)
    return uploads.sign_parts(context, sluice.jobs, sluice.multipart_uploads)


@app.route("/uploads/{job_id}/parts")
@view(Scope.UPLOADS_WRITE, for_tokens=True, parameters=("cursor",))
def list_parts(context: RequestContext) -> chalice.Response:
    """List the parts of a file that have arrived."""
    sluice = services().of(context.reach)
    return uploads.list_parts(context, sluice.jobs, sluice.multipart_uploads)


@app.route("/uploads/{job_id}/complete", methods=["POST"])
@view(Scope.UPLOADS_WRITE, for_tokens=True)
def complete_upload(context: RequestContext) -> chalice.Response:
    """Assemble a file from its parts."""
    sluice = services().of(context.reach)
    return uploads.complete(context, sluice.jobs, sluice.multipart_uploads)


@app.route("/upload-tokens", methods=["POST"])
@view(Scope.UPLOADS_WRITE, audit=AuditAction.TOKEN_CREATE)
def create_upload_token(context: RequestContext) -> chalice.Response:
    """Make an upload token."""
    sluice = services()
    return upload_tokens.create(context, sluice.upload_tokens, sluice.audit, sluice.upload_rules.max_size)


@app.route("/jobs")
@view(Scope.JOBS_READ, parameters=("status", "dataset", "since", "until", *PAGE))
def list_jobs(context: RequestContext) -> chalice.Response:
    """List jobs, newest first."""
    return jobs.list_jobs(context, services().of(context.reach).jobs)


@app.route("/jobs/{job_id}")
@view(Scope.JOBS_READ, for_tokens=True)
def show_job(context: RequestContext) -> chalice.Response:
    """Show the progress of a job."""
    return jobs.show(context, services().of(context.reach).jobs)


@app.route("/jobs/{job_id}/cancel", methods=["POST"])
@view(Scope.JOBS_ACT, audit=AuditAction.JOB_CANCEL)
def cancel_job(context: RequestContext) -> chalice.Response:
    """Stop a job."""
    return jobs.act(context, services().of(context.reach, context.actor).job_actions, Action.CANCEL)


@app.route("/jobs/{job_id}/retry", methods=["POST"])
@view(Scope.JOBS_ACT, audit=AuditAction.JOB_RETRY)
def retry_job(context: RequestContext) -> chalice.Response:
    """Continue a job, or read its file again in another way."""
    return jobs.retry(context, services().of(context.reach, context.actor).job_actions)


@app.route("/jobs/{job_id}/load", methods=["POST"])
@view(Scope.JOBS_ACT, audit=AuditAction.JOB_LOAD)
def load_job(context: RequestContext) -> chalice.Response:
    """Load a job after its preview."""
    return jobs.load(context, services().of(context.reach, context.actor).job_actions)


@app.route("/jobs/{job_id}/undo", methods=["POST"])
@view(Scope.JOBS_ACT, audit=AuditAction.JOB_UNDO)
def undo_job(context: RequestContext) -> chalice.Response:
    """Remove the rows that only this job brought."""
    return jobs.act(context, services().of(context.reach, context.actor).job_actions, Action.UNDO)


@app.route("/jobs/{job_id}/errors")
@view(Scope.REJECTS_READ, for_tokens=True, parameters=PAGE)
def list_errors(context: RequestContext) -> chalice.Response:
    """List the rejects of a job."""
    return jobs.list_errors(context, services().of(context.reach).jobs)


@app.route("/jobs/{job_id}/rejects.csv")
@view(Scope.REJECTS_READ, audit=AuditAction.REJECTS_DOWNLOAD, for_tokens=True)
def download_rejects_csv(context: RequestContext) -> chalice.Response:
    """Make the rejects of a CSV file a file, and return the URL to download it."""
    sluice = services().of(context.reach, context.actor)
    return rejects.download(context, sluice.jobs, sluice.rejects_files, "rejects.csv")


@app.route("/jobs/{job_id}/rejects.ndjson")
@view(Scope.REJECTS_READ, audit=AuditAction.REJECTS_DOWNLOAD, for_tokens=True)
def download_rejects_ndjson(context: RequestContext) -> chalice.Response:
    """Make the rejects of a JSON file a file, and return the URL to download it."""
    sluice = services().of(context.reach, context.actor)
    return rejects.download(context, sluice.jobs, sluice.rejects_files, "rejects.ndjson")


@app.route("/datasets/{name}/errors")
@view(Scope.REJECTS_READ, for_tokens=True, parameters=("code", "field", "since", "until", *PAGE))
def list_dataset_errors(context: RequestContext) -> chalice.Response:
    """List the rejects of a dataset, those of the newest job first."""
    return datasets.list_errors(context, services().of(context.reach).jobs)


@app.route("/datasets/{name}/options")
@view(Scope.DATASETS_READ)
def show_dataset_options(context: RequestContext) -> chalice.Response:
    """Show the default options of a dataset's files."""
    return datasets.show_options(context, services().of(context.reach).jobs)


@app.route("/datasets/{name}/options", methods=["PUT"])
@view(Scope.DATASETS_WRITE, audit=AuditAction.DATASET_OPTIONS_SET, of_all_tenants=True)
def set_dataset_options(context: RequestContext) -> chalice.Response:
    """Replace the default options of a dataset's files."""
    return datasets.set_options(context, services().of(context.reach, context.actor).jobs)


@app.route("/datasets/{name}/erase", methods=["POST"])
@view(Scope.DATASETS_WRITE, audit=AuditAction.DATASET_ERASE)
def erase_records(context: RequestContext) -> chalice.Response:
    """Have the records erased that have a value in a field."""
    return datasets.erase(context, services().of(context.reach, context.actor).erasing)


@app.route("/datasets/{name}/erasures/{erasure_id}")
@view(Scope.DATASETS_READ)
def show_erasure(context: RequestContext) -> chalice.Response:
    """Show how far an erasure is."""
    return datasets.show_erasure(context, services().of(context.reach).erasing)


@app.route("/audit-events")
@view(Scope.TENANTS_ADMIN, parameters=("tenant", "action", "job", "since", *PAGE))
def list_audit_events(context: RequestContext) -> chalice.Response:
    """List what was done and refused, newest first."""
    return audit.list_events(context, services().audit)


@app.route("/workers")
@view(Scope.TENANTS_ADMIN, of_all_tenants=True, parameters=PAGE)
def list_workers(context: RequestContext) -> chalice.Response:
    """List the workers and what they work at, newest first."""
    return workers.list_workers(context, services().workers)


@app.route("/healthz")
@view(Scope.TENANTS_ADMIN, of_all_tenants=True, is_open=health.is_shallow, parameters=("deep",))
def show_health(context: RequestContext) -> chalice.Response:
    """Show whether every dependency of Sluice answers."""
    return health.show(context, services().dependencies, services().workers)


@app.route("/tenants")
@view(Scope.TENANTS_ADMIN, of_all_tenants=True, parameters=PAGE)
def list_tenants(context: RequestContext) -> chalice.Response:
    """List the tenants, newest first."""
    return tenants.list_tenants(context, services().tenants)


@app.route("/tenants", methods=["POST"])
@view(Scope.TENANTS_ADMIN, audit=AuditAction.TENANT_CREATE, of_all_tenants=True)
def create_tenant(context: RequestContext) -> chalice.Response:
    """Create a tenant."""
    return tenants.create(context, services().of(context.reach, context.actor).tenants)


@app.route("/tenants/{name}/suspend", methods=["POST"])
@view(Scope.TENANTS_ADMIN, audit=AuditAction.TENANT_SUSPEND, of_all_tenants=True)
def suspend_tenant(context: RequestContext) -> chalice.Response:
    """Suspend a tenant."""
    return tenants.suspend(context, services().of(context.reach, context.actor).tenants)


@app.route("/tenants/{name}/resume", methods=["POST"])
@view(Scope.TENANTS_ADMIN, audit=AuditAction.TENANT_RESUME, of_all_tenants=True)
def resume_tenant(context: RequestContext) -> chalice.Response:
    """Let a suspended tenant continue."""
    return tenants.resume(context, services().of(context.reach, context.actor).tenants)


@app.route("/tenants/{name}", methods=["DELETE"])
@view(Scope.TENANTS_ADMIN, audit=AuditAction.TENANT_REMOVE, of_all_tenants=True)
def remove_tenant(context: RequestContext) -> chalice.Response:
    """Have a tenant removed with everything that belongs to it."""
    return tenants.remove(context, services().of(context.reach, context.actor).tenants)


@app.route("/unmatched-objects")
@view(Scope.TENANTS_ADMIN, of_all_tenants=True, parameters=PAGE)
def list_unmatched_objects(context: RequestContext) -> chalice.Response:
    """List the dropped objects that belong to no tenant."""
    return tenants.list_unmatched(context, services().tenants)


@app.route("/keys")
@view(Scope.TENANTS_ADMIN, parameters=PAGE)
def list_keys(context: RequestContext) -> chalice.Response:
    """List API keys, newest first."""
    return keys.list_keys(context, services().api_keys)


@app.route("/keys", methods=["POST"])
@view(Scope.TENANTS_ADMIN, audit=AuditAction.KEY_CREATE)
def create_key(context: RequestContext) -> chalice.Response:
    """Create an API key."""
    return keys.create(context, services().of(context.reach, context.actor).api_keys)


@app.route("/keys/{key_id}", methods=["DELETE"])
@view(Scope.TENANTS_ADMIN, audit=AuditAction.KEY_REVOKE)
def revoke_key(context: RequestContext) -> chalice.Response:
    """Revoke an API key."""
    return keys.revoke(context, services().of(context.reach, context.actor).api_keys)


def options_of(path: str) -> Callable[..., chalice.Response]:
    """Return the view that tells the methods of a path. A browser asks it without a credential."""
    methods = tuple(app.routes[path])
    return lambda **_path: answer_options(methods)


for route in tuple(app.routes):
    app.route(route, methods=["OPTIONS"], name="options")(options_of(route))


def on_upload(event: chalice.S3Event | dict[str, Any], _context: object = None) -> dict[str, int]:
    """Enqueue the jobs of the objects that have arrived."""
    from chalicelib.entrypoints.s3_events import handle_s3_event

    return handle_s3_event(event if isinstance(event, dict) else event.to_dict(), services().intake)


if environment.bucket_events == "chalice":
    on_upload = app.on_s3_event(environment.bucket, events=["s3:ObjectCreated:*"])(on_upload)
else:  # `chalice package` cannot attach it: see infra/cloudformation/merge.yaml
    on_upload = app.lambda_function()(on_upload)


@app.schedule(chalice.Rate(1, unit=chalice.Rate.MINUTES))
def on_schedule(_event: chalice.CloudWatchEvent) -> dict[str, int]:
    """Reconcile lost events and messages."""
    return services().sweeper.sweep()


def on_job(event: chalice.SQSEvent) -> None:
    """Work on a job for as long as the invocation may run."""
    from chalicelib.entrypoints.lambda_worker import (
        handle_invocation,
    )  # imports pyarrow, which only this function has

    context: Any = event.context
    sluice = services()
    with sluice.lambda_signs_of_life():
        handle_invocation(
            event.to_dict(),
            sluice.sqs_receiver,
            lambda: sluice.lambda_message_handler,
            seconds=context.get_remaining_time_in_millis() / 1000 - sluice.settings.grace_seconds,
        )


if environment.lambda_workers:
    queue = environment.queue_url.rpartition("/")[2]
    on_job = app.on_sqs_message(queue, batch_size=1, maximum_concurrency=environment.lambda_workers)(on_job)


@app.lambda_function()
def migrate(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Migrate the database to the schema of this version, and set the logins of its roles.

    With `create_key`, create an operator's API key.
    """
    sluice = services()
    done: dict[str, Any] = {"applied": migrate_database(sluice)}
    if sluice.settings.database_role_secrets:
        from chalicelib.entrypoints.roles import set_logins, sources_in

        done["logins"] = set_logins(sluice.database_url(), sources_in(sluice.settings.database_role_secrets))
    if event.get("create_key") is True:
        from chalicelib.entrypoints.keys import create_operator_key

        done["key"] = create_operator_key(sluice.api_keys)
    return done
