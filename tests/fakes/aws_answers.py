"""What AWS answers, and adds to the inputs of each type where the component reads it."""

from collections.abc import Callable
from typing import Any

ACCOUNT = "123456789012"

GET_ACCOUNT = "aws:index/getCallerIdentity:getCallerIdentity"
GET_BUCKET = "aws:s3/getBucket:getBucket"
GET_GITHUB = "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider"

FREE: dict[str, dict[str, Any] | str] = {
    GET_ACCOUNT: {"accountId": ACCOUNT, "arn": "a", "userId": "u", "id": ACCOUNT},
    GET_BUCKET: "reading S3 Bucket (team-cache): couldn't find resource",
    GET_GITHUB: "reading IAM OIDC Provider: couldn't find resource",
}
"""An account in which nothing is taken."""

OUTPUTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "aws:iam/accessKey:AccessKey": lambda inputs: {"secret": f"secret-of-{inputs['user']}"},
    "aws:s3/bucket:Bucket": lambda inputs: {
        "bucketRegionalDomainName": f"{inputs['bucket']}.s3.{inputs['region']}.amazonaws.com"
    },
    "aws:acm/certificate:Certificate": lambda inputs: {
        "arn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/made",
        "domainValidationOptions": [
            {
                "domainName": inputs["domainName"],
                "resourceRecordName": "_proof." + inputs["domainName"],
                "resourceRecordType": "CNAME",
                "resourceRecordValue": "_value.acm-validations.aws",
            }
        ],
    },
    "aws:cloudfront/distribution:Distribution": lambda _: {
        "arn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1",
        "domainName": "d1.cloudfront.net",
        "hostedZoneId": "Z2FDTNDATAQYW2",
    },
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": lambda _: {
        "arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
    },
    "aws:ssm/parameter:Parameter": lambda inputs: {
        "arn": f"arn:aws:ssm:{inputs['region']}:{ACCOUNT}:parameter{inputs['name']}"
    },
    "aws:route53/record:Record": lambda inputs: {"fqdn": inputs["name"]},
    "aws:iam/role:Role": lambda inputs: {"arn": f"arn:aws:iam::{ACCOUNT}:role/{inputs['name']}"},
    "aws:secretsmanager/secret:Secret": lambda inputs: {
        "arn": f"arn:aws:secretsmanager:{inputs['region']}:{ACCOUNT}:secret:{inputs['name']}-Ab1"
    },
}
