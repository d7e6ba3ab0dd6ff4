"""Makes a bucket on the S3 server that the AWS_… variables name, for the demo and the tests: the worker makes none."""

from __future__ import annotations

import os

import boto3


def ensure_bucket(name: str) -> None:
    """Makes the bucket where it is not there yet."""
    client = boto3.client("s3", endpoint_url=os.environ["AWS_S3_ENDPOINT"])
    if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=name)
