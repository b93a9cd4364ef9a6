package main

import (
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// longestName is the limit that the pulumi-aws package knows for names that Pulumi makes up.
const longestName = 255

// fields holds the properties that the pulumi-aws package describes differently than upstream.
type fields = map[string]*tfbridge.SchemaInfo

var config = fields{
	"region": {Default: &tfbridge.DefaultInfo{
		EnvVars: []string{"AWS_REGION", "AWS_DEFAULT_REGION"},
	}},
	"skip_credentials_validation": {Default: &tfbridge.DefaultInfo{Value: false}},
	"skip_metadata_api_check":     {Type: "boolean"},
	"skip_region_validation":      {Default: &tfbridge.DefaultInfo{Value: true}},
}

var overrides = map[string]fields{
	"aws_cloudfront_origin_access_control": {
		"description": {Default: &tfbridge.DefaultInfo{Value: "Managed by Pulumi"}},
	},
	"aws_cloudwatch_metric_alarm": {
		"alarm_name": tfbridge.AutoName("name", longestName, "-"),
	},
	"aws_iam_role": {
		"name":               tfbridge.AutoName("name", 64, "-"),
		"assume_role_policy": document(),
		"inline_policy": {Elem: &tfbridge.SchemaInfo{Fields: fields{
			"name": tfbridge.AutoName("name", 128, "-"),
		}}},
	},
	"aws_iam_role_policy": {"policy": document()},
	"aws_iam_user_policy": {"policy": document()},
	"aws_route53_record": {
		"name":                       {Name: "name"}, // a domain, which nobody can make up
		"alias":                      list("aliases"),
		"failover_routing_policy":    list("failoverRoutingPolicies"),
		"geolocation_routing_policy": list("geolocationRoutingPolicies"),
		"latency_routing_policy":     list("latencyRoutingPolicies"),
		"weighted_routing_policy":    list("weightedRoutingPolicies"),
	},
	"aws_s3_bucket": {
		"bucket": tfbridge.AutoNameTransform("bucket", 63, strings.ToLower),
		"policy": document(),
	},
	"aws_s3_bucket_policy": {"policy": document()},
	"aws_s3_object": {
		"key":    {Default: &tfbridge.DefaultInfo{From: tfbridge.FromName(tfbridge.AutoNameOptions{})}},
		"source": {Asset: &tfbridge.AssetTranslation{Kind: tfbridge.FileAsset}},
	},
}

// identities are the properties that make up what a resource is called, where they are not the ID.
var identities = map[string][]string{"aws_s3_object": {"bucket", "key"}}

// resource describes a type as the pulumi-aws package does.
func resource(upstream string, token tokens.Type, schema shim.SchemaMap) *tfbridge.ResourceInfo {
	info := &tfbridge.ResourceInfo{
		Tok:      token,
		Fields:   fields{},
		IDFields: identities[upstream],
	}
	if name, ok := schema.GetOk("name"); ok && (name.Optional() || name.Required()) {
		info.Fields["name"] = tfbridge.AutoName("name", longestName, "-")
	}
	for field, description := range overrides[upstream] {
		info.Fields[field] = description
	}
	return info
}

// document is a text in JSON that may also be given as an object.
func document() *tfbridge.SchemaInfo {
	return &tfbridge.SchemaInfo{Type: "string", Transform: tfbridge.TransformJSONDocument}
}

// list is a block that upstream allows once, and the pulumi-aws package several times.
func list(name string) *tfbridge.SchemaInfo {
	return &tfbridge.SchemaInfo{Name: name, MaxItemsOne: tfbridge.False()}
}
