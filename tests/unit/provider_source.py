"""The source of an AWS provider of four services, written as upstream writes its own."""

from pathlib import Path

from offline import trimming

MODULE = trimming.MODULE
REGISTRY = f"""\
package sdkv2

import (
\t"context"

\t"{MODULE}/internal/conns"
\t"{MODULE}/internal/service/iam"
\t"{MODULE}/internal/service/s3"
\t"{MODULE}/internal/service/s3control"
\t"{MODULE}/internal/service/xray"
)

func servicePackages(ctx context.Context) []conns.ServicePackage {{
\tv := []conns.ServicePackage{{
\t\tiam.ServicePackage(ctx),
\t\ts3.ServicePackage(ctx),
\t\ts3control.ServicePackage(ctx),
\t\txray.ServicePackage(ctx),
\t}}
\treturn v
}}
"""
CLIENTS = """\
package conns

import (
\t"context"

\t"github.com/aws/aws-sdk-go-v2/service/iam"
\t"github.com/aws/aws-sdk-go-v2/service/s3"
\t"github.com/aws/aws-sdk-go-v2/service/s3control"
\txrayapi "github.com/aws/aws-sdk-go-v2/service/xray"
)

func (c *AWSClient) IAMClient(ctx context.Context) *iam.Client {
\treturn errs.Must(client[*iam.Client](ctx, c, names.IAM, make(map[string]any)))
}

func (c *AWSClient) S3Client(ctx context.Context) *s3.Client {
\treturn errs.Must(client[*s3.Client](ctx, c, names.S3, make(map[string]any)))
}

func (c *AWSClient) S3ControlClient(ctx context.Context) *s3control.Client {
\treturn errs.Must(client[*s3control.Client](ctx, c, names.S3Control, make(map[string]any)))
}

func (c *AWSClient) XRayClient(ctx context.Context) *xrayapi.Client {
\treturn errs.Must(client[*xrayapi.Client](ctx, c, names.XRay, make(map[string]any)))
}
"""


def service(name: str, constant: str, code: str = "") -> str:
    """Return the source of a service, as upstream writes it."""
    return (
        f"package {name}\n\nfunc (p *servicePackage) ServicePackageName() string {{\n"
        f"\treturn names.{constant}\n}}\n{code}"
    )


def write_provider(folder: Path) -> Path:
    """Write the provider into a folder, read-only as in a module cache; s3 imports s3control."""
    files = {
        "go.mod": f"module {MODULE}\n",
        "names/names.go": "package names\n",
        "version/VERSION": "1.0\n",
        "website/docs.md": "prose\n",
        "internal/provider/sdkv2/service_packages_gen.go": REGISTRY,
        "internal/conns/awsclient_gen.go": CLIENTS,
        "internal/acctest/acctest.go": "package acctest\n// c.XRayClient(ctx)\n",
        "internal/service/errors.hcl": "texts\n",
        "internal/service/iam/iam.go": service("iam", "IAM", "// c.IAMClient(ctx)\n"),
        "internal/service/s3/s3.go": service(
            "s3",
            "S3",
            f'import "{MODULE}/internal/service/s3control"\n'
            "// c.S3Client(ctx) c.S3ControlClient(ctx)\n",
        ),
        "internal/service/s3/s3_test.go": f'import "{MODULE}/internal/service/xray"\n',
        "internal/service/s3/testdata/data": "data\n",
        "internal/service/s3control/s3control.go": service("s3control", "S3Control"),
        "internal/service/xray/xray.go": service("xray", "XRay", "// c.XRayClient(ctx)\n"),
    }
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)  # as in a module cache
    return folder
