"""What Lambda functions are made of: the functions' package and the worker's layer, out of pinned wheels."""

from infra.packages.build import build_layer, build_vendor, check_runtime

__all__ = ["build_layer", "build_vendor", "check_runtime"]
