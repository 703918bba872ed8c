"""The worker's layer on AWS."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from infra.local.errors import StackError
from infra.packages.sizes import MAX_ZIPPED

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_lambda.literals import ArchitectureType, RuntimeType
    from types_boto3_lambda.type_defs import LayerVersionContentInputTypeDef
    from types_boto3_s3 import S3Client


@dataclass(frozen=True)
class Layer:
    """A layer as it was built."""

    archive: Path
    stage: str
    python: str
    architecture: "ArchitectureType"

    @property
    def runtime(self) -> "RuntimeType":
        """The runtime that it is for."""
        return cast("RuntimeType", f"python{self.python}")


def layer_name(stage: str) -> str:
    """What the worker's layer of a stage is called."""
    return f"sluice-{stage}-worker"


def publish(functions: "LambdaClient", objects: "S3Client", layer: Layer, bucket: str | None) -> str:
    """Publish the layer, unless its newest version is the same; that version's ARN.

    What is too large to be sent to Lambda goes by way of `bucket`. Raises `StackError`.
    """
    name, runtime = layer_name(layer.stage), layer.runtime
    content = layer.archive.read_bytes()
    published = functions.list_layer_versions(
        LayerName=name, CompatibleRuntime=runtime, CompatibleArchitecture=layer.architecture, MaxItems=1
    )
    for newest in published["LayerVersions"]:
        there = functions.get_layer_version(LayerName=name, VersionNumber=newest["Version"])
        if there["Content"]["CodeSha256"] == b64encode(hashlib.sha256(content).digest()).decode():
            return there["LayerVersionArn"]
    given: LayerVersionContentInputTypeDef = {"ZipFile": content}
    if len(content) > MAX_ZIPPED:
        if bucket is None:
            raise StackError(
                "packages", "the layer is too large to be sent to Lambda: name a --bucket to put it into"
            )
        given = {"S3Bucket": bucket, "S3Key": f"layers/{name}.zip"}
        objects.put_object(Bucket=bucket, Key=given["S3Key"], Body=content)
    version = functions.publish_layer_version(
        LayerName=name,
        Content=given,
        CompatibleRuntimes=[runtime],
        CompatibleArchitectures=[layer.architecture],
    )
    if "S3Key" in given:
        objects.delete_object(Bucket=given["S3Bucket"], Key=given["S3Key"])
    return version["LayerVersionArn"]
