"""Objects in a folder or in S3, behind one interface. The only package that knows boto3."""
