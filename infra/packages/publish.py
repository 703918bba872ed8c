"""Publishing the worker's layer on AWS."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from infra.packages.sizes import MAX_ZIPPED
from infra.steps.errors import StepError

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.literals import ArchitectureType, RuntimeType
    from types_boto3_lambda.type_defs import LayerVersionContentInputTypeDef
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Layer:
    """A built layer."""

    archive: Path
    stage: str
    python: str
    architecture: "ArchitectureType"

    @property
    def runtime(self) -> "RuntimeType":
        """Return the Lambda runtime that the layer is for."""
        return cast("RuntimeType", f"python{self.python}")


def layer_name(stage: str) -> str:
    """Return the name of a stage's layer."""
    return f"sluice-{stage}-worker"


def publish(functions: "LambdaClient", objects: "S3Client", layer: Layer, bucket: str | None) -> str:
    """Publish the layer, unless its newest version has the same content, and return that version's ARN.

    A layer that is too large for a request goes through `bucket`. Raises `StepError`.
    """
    name, runtime = layer_name(layer.stage), layer.runtime
    content = layer.archive.read_bytes()
    published = functions.list_layer_versions(
        LayerName=name, CompatibleRuntime=runtime, CompatibleArchitecture=layer.architecture, MaxItems=1
    )
    for newest in published["LayerVersions"]:
        version = functions.get_layer_version(LayerName=name, VersionNumber=newest["Version"])
        if version["Content"]["CodeSha256"] == b64encode(hashlib.sha256(content).digest()).decode():
            return version["LayerVersionArn"]
    source: LayerVersionContentInputTypeDef = {"ZipFile": content}
    if len(content) > MAX_ZIPPED:
        if bucket is None:
            raise StepError(
                "packages", "the layer is too large to be sent to Lambda: name a --bucket to put it into"
            )
        source = {"S3Bucket": bucket, "S3Key": f"layers/{name}.zip"}
        objects.put_object(Bucket=bucket, Key=source["S3Key"], Body=content)
    created = functions.publish_layer_version(
        LayerName=name,
        Content=source,
        CompatibleRuntimes=[runtime],
        CompatibleArchitectures=[layer.architecture],
    )
    if "S3Key" in source:
        objects.delete_object(Bucket=source["S3Bucket"], Key=source["S3Key"])
    return created["LayerVersionArn"]
