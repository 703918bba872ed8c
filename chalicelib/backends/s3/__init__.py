"""Objects in S3: read them, sign uploads, and keep the bucket that clients upload to."""

from chalicelib.backends.s3.objects import S3Store
from chalicelib.backends.s3.signed_reads import SignedReads
from chalicelib.backends.s3.uploads import S3Bucket, S3Signer

__all__ = ["S3Bucket", "S3Signer", "S3Store", "SignedReads"]
