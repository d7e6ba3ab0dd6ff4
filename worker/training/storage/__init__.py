"""Storage of objects in a local folder or in S3, behind one interface. The only package that knows boto3."""
