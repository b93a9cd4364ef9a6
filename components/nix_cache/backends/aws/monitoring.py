"""What is watched on AWS: failing requests, and what the cache costs."""

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws.scope import CDN_REGION, Scope
from nix_cache.backends.aws.settings import AwsMonitoringSettings

_METRICS = "EntireBucket"
_PERIOD_SECONDS = 300
_FAILED_REQUESTS = 5
_FAILED_PERCENT = 5
_BILLED_SERVICES = ["Amazon Simple Storage Service", "Amazon CloudFront"]


def watch(
    scope: Scope,
    settings: AwsMonitoringSettings,
    bucket: aws.s3.Bucket,
    distribution: aws.cloudfront.Distribution | None,
) -> None:
    """Count the bucket's requests, report failures, and warn about costs."""
    topics = [settings.alarm_topic_arn] if settings.alarm_topic_arn is not None else []
    metric = aws.s3.BucketMetric(
        f"{scope.name}-request-metrics",
        bucket=bucket.bucket,
        name=_METRICS,
        region=scope.region,
        opts=scope.options(),
    )
    if distribution is None:
        _alarm(
            scope,
            topics,
            region=scope.region,
            namespace="AWS/S3",
            metric_name="5xxErrors",
            dimensions={"BucketName": scope.bucket, "FilterId": metric.name},
            statistic="Sum",
            threshold=_FAILED_REQUESTS,
        )
    else:
        _alarm(
            scope,
            topics,
            region=CDN_REGION,
            namespace="AWS/CloudFront",
            metric_name="5xxErrorRate",
            dimensions={"DistributionId": distribution.id, "Region": "Global"},
            statistic="Average",
            threshold=_FAILED_PERCENT,
        )
    if settings.monthly_budget_usd is not None:
        _budget(scope, settings.monthly_budget_usd, settings.budget_emails)


def _alarm(
    scope: Scope,
    topics: list[pulumi.Input[str]],
    *,
    region: str,
    namespace: str,
    metric_name: str,
    dimensions: dict[str, pulumi.Input[str]],
    statistic: str,
    threshold: int,
) -> None:
    aws.cloudwatch.MetricAlarm(
        f"{scope.name}-failing-requests",
        name=f"{scope.bucket}-failing-requests",
        alarm_description=f"Requests to the Nix cache {scope.bucket} fail with 5xx",
        region=region,
        namespace=namespace,
        metric_name=metric_name,
        dimensions=dimensions,
        statistic=statistic,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        period=_PERIOD_SECONDS,
        evaluation_periods=1,
        # A cache without requests is fine.
        treat_missing_data="notBreaching",
        alarm_actions=topics,
        ok_actions=topics,
        tags=scope.tags,
        opts=scope.options(),
    )


def _budget(scope: Scope, limit_usd: int, emails: tuple[str, ...]) -> None:
    def warning(kind: str, percent: int) -> aws.budgets.BudgetNotificationArgsDict:
        return {
            "notification_type": kind,
            "comparison_operator": "GREATER_THAN",
            "threshold": percent,
            "threshold_type": "PERCENTAGE",
            "subscriber_email_addresses": list(emails),
        }

    aws.budgets.Budget(
        f"{scope.name}-budget",
        name=f"{scope.bucket}-nix-cache",
        budget_type="COST",
        time_unit="MONTHLY",
        limit_amount=str(limit_usd),
        limit_unit="USD",
        cost_filters=[{"name": "Service", "values": _BILLED_SERVICES}],
        notifications=[warning("ACTUAL", 80), warning("FORECASTED", 100)],
        tags=scope.tags,
        opts=scope.options(),
    )
