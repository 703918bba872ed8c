"""The Lambda functions' package and the worker's layer, built from pinned wheels."""

from infra.packages.build import build_layer, build_vendor, check_runtime

__all__ = ["build_layer", "build_vendor", "check_runtime"]
