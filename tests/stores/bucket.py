#!/usr/bin/env python3
"""Makes the bucket or container `test` in a store of this machine, and waits until it keeps things.

A store may answer before the parts behind it are up: SeaweedFS lists buckets while its volumes are
not registered, and answers 500 to whoever reads.

Usage: bucket.py s3|azure PORT
"""

import sys
import time

kind, port = sys.argv[1], int(sys.argv[2])

# The account that every emulator of Azure's blobs has; its key is in Microsoft's documentation.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def make():
    if kind == "s3":
        import boto3

        s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")
        if not any(bucket["Name"] == "test" for bucket in s3.list_buckets()["Buckets"]):
            s3.create_bucket(Bucket="test")
        s3.put_object(Bucket="test", Key="ready", Body=b"ready")
        s3.get_object(Bucket="test", Key="ready")["Body"].read()
        s3.delete_object(Bucket="test", Key="ready")
    else:
        from azure.storage.blob import BlobServiceClient

        service = BlobServiceClient(
            f"http://127.0.0.1:{port}/devstoreaccount1",
            {"account_name": "devstoreaccount1", "account_key": KEY},
        )
        if not service.get_container_client("test").exists():
            service.create_container("test")


for attempt in range(60):
    try:
        make()
        break
    except Exception:
        if attempt == 59:
            raise
        time.sleep(0.5)
