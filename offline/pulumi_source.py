"""Leaves out of Pulumi's CLI what only clouds without a part in this project use.

Google's storage client alone, with all that it needs, is a sixth of the code that the CLI compiles.
What is left out fails with an error that names it and the official CLI. Everything else, states on
S3 and keys of AWS KMS too, is compiled as it is.
"""

from pathlib import Path

from offline import source_changes
from offline.module_copies import ModuleCopy
from offline.source_changes import END_OF_FILE, Change, SourceCopy
from tools.errors import BuildError

MODULE = "github.com/pulumi/pulumi/pkg/v3"

_FIX = "Install Pulumi's official CLI and put it on PATH"

_ROOTS = (
    *("LICENSE", "go.mod", "asset", "backend", "channel", "cmd", "codegen", "display", "engine"),
    *("graph", "host", "importer", "logging", "operations", "pcl", "pluginstorage", "registry"),
    *("resource", "secrets", "util", "workspace"),
)

_LEFT_OUT = (
    "cmd/pulumi/neo",
    "operations/operations_aws.go",
    "operations/operations_gcp.go",
)

CHANGES = (
    # States in Azure and Google buckets.
    Change(
        "backend/diy/backend.go",
        """\
	"gocloud.dev/blob/azureblob"  // driver for azblob://
""",
        "",
    ),
    Change(
        "backend/diy/backend.go",
        """\
	"gocloud.dev/blob/gcsblob"    // driver for gs://
""",
        "",
    ),
    Change(
        "backend/diy/backend.go",
        """\
	"github.com/pulumi/pulumi/pkg/v3/authhelpers"
""",
        "",
    ),
    Change(
        "backend/diy/backend.go",
        """\
	// for gcp we want to support additional credentials
""",
        "",
        until="""\
	bucket, err := blobmux.OpenBucket(ctx, u)
""",
    ),
    # Keys of Azure, Google and Vault.
    Change(
        "secrets/cloud/manager.go",
        """\
	_ "gocloud.dev/secrets/azurekeyvault" // support for azurekeyvault://
	"gocloud.dev/secrets/gcpkms"          // support for gcpkms://
	_ "gocloud.dev/secrets/hashivault"    // support for hashivault://
	"google.golang.org/api/cloudkms/v1"

	"github.com/pulumi/pulumi/pkg/v3/authhelpers"
""",
        "",
    ),
    Change(
        "secrets/cloud/manager.go",
        """\
	u, err := netUrl.Parse(url)
	if err != nil {
		return nil, fmt.Errorf("unable to parse the secrets provider URL: %w", err)
	}

""",
        """\
	if _, err := netUrl.Parse(url); err != nil {
		return nil, fmt.Errorf("unable to parse the secrets provider URL: %w", err)
	}
	return gosecrets.OpenKeeper(ctx, url)
}

""",
        until="""\
// generateNewDataKey generates""",
    ),
    # `pulumi logs` of functions in AWS and Google Cloud.
    Change(
        "operations/resources.go",
        """\
	case "aws":
		return AWSOperationsProvider(ctx, ops.config, ops.resource)
	case "gcp":
		return GCPOperationsProvider(ctx, ops.config, ops.resource)
""",
        """\
	case "aws", "gcp":
		return nil, errLogsLeftOut
""",
    ),
    # The API and the agent of Pulumi Cloud. The library that reads the API's description takes an
    # eighth of the time.
    Change(
        "cmd/pulumi/cloud/spec.go",
        """\
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/gorilla/mux"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3high "github.com/pb33f/libopenapi/datamodel/high/v3"
	"github.com/pb33f/libopenapi/orderedmap"
""",
        """\
	"io"

	"github.com/gorilla/mux"
""",
    ),
    Change(
        "cmd/pulumi/cloud/schema.go",
        "import (",
        'import "strings"\n\n',
        until="// markdownEnumTail ",
    ),
    Change("cmd/pulumi/cloud/schema.go", "func nonNil(", "", until=END_OF_FILE),
    Change(
        "cmd/pulumi/cloud/spec.go",
        "func parseIndex(",
        f"""\
func parseIndex([]byte) (*Index, error) {{
	return nil, NewAPIError(cmdutil.ExitInternalError, ErrSpecParse,
		"this build of Pulumi leaves out `pulumi api`. {_FIX}")
}}

""",
        until="func isSuccessStatus(",
    ),
    Change(
        "cmd/pulumi/cloud/spec.go",
        "// isInternalOp reports",
        "",
        until=END_OF_FILE,
    ),
    Change(
        "cmd/pulumi/pulumi.go",
        """\
	"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/cloud"
""",
        "",
    ),
    Change(
        "cmd/pulumi/pulumi.go",
        """\
				cloud.NewAPICmd(),
""",
        """\
				newLeftOutCmd("api"),
""",
    ),
    Change(
        "cmd/pulumi/pulumi.go",
        """\
	"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi/neo"
""",
        "",
    ),
    Change(
        "cmd/pulumi/pulumi.go",
        """\
				neo.NewNeoCmd(),
""",
        """\
				newLeftOutCmd("neo"),
""",
    ),
)

ADDED = {
    "backend/diy/left_out.go": f"""\
package diy

import (
	"context"
	"fmt"
	"net/url"

	"gocloud.dev/blob"
)

// leftOut stands for the drivers that this build of the CLI leaves out.
type leftOut struct{{}}

func (leftOut) OpenBucketURL(_ context.Context, u *url.URL) (*blob.Bucket, error) {{
	return nil, fmt.Errorf(
		"this build of Pulumi leaves out state in %s:// buckets. {_FIX}", u.Scheme)
}}

func init() {{
	for _, scheme := range []string{{"azblob", "gs"}} {{
		blob.DefaultURLMux().RegisterBucket(scheme, leftOut{{}})
	}}
}}
""",
    "secrets/cloud/left_out.go": f"""\
package cloud

import (
	"context"
	"fmt"
	netUrl "net/url"

	gosecrets "gocloud.dev/secrets"
)

// leftOut stands for the drivers that this build of the CLI leaves out.
type leftOut struct{{}}

func (leftOut) OpenKeeperURL(_ context.Context, u *netUrl.URL) (*gosecrets.Keeper, error) {{
	return nil, fmt.Errorf(
		"this build of Pulumi leaves out the secrets provider %s://. {_FIX}", u.Scheme)
}}

func init() {{
	for _, scheme := range []string{{"azurekeyvault", "gcpkms", "hashivault"}} {{
		gosecrets.DefaultURLMux().RegisterKeeper(scheme, leftOut{{}})
	}}
}}
""",
    "operations/left_out.go": f"""\
package operations

import "errors"

var errLogsLeftOut = errors.New(
	"this build of Pulumi leaves out the logs of AWS and Google Cloud. {_FIX}")
""",
    "cmd/pulumi/left_out.go": f"""\
package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newLeftOutCmd stands for a command that this build of the CLI leaves out.
func newLeftOutCmd(name string) *cobra.Command {{
	return &cobra.Command{{
		Use:                name,
		Short:              "Not in this build of Pulumi",
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {{
			return fmt.Errorf("this build of Pulumi leaves out `pulumi %s`. {_FIX}", name)
		}},
	}}
}}
""",
}
"""Files that stand for what is left out, by their paths in the module."""

SOURCE = SourceCopy(CHANGES, _ROOTS, _LEFT_OUT, ADDED)
"""What is compiled of the module."""


def write(source: Path, folder: Path, target: Path) -> None:
    """Copy what is compiled of the CLI, without what is left out.

    Args:
        source: the module as the module proxy serves it.
        folder: the tool's own Go module; not needed here.
        target: a folder that does not exist yet.

    Raises:
        BuildError: the source does not have exactly what is left out.
        OSError: the copy cannot be written.
    """
    SOURCE.write(source, target, _unexpected)


def _unexpected(what: str, where: Path) -> BuildError:
    return BuildError(
        f"Pulumi's CLI cannot be trimmed: {where} {what}",
        "make its version in offline/modules/pulumi/go.mod and offline/pulumi_source.py fit "
        "together again",
    )


COPY = ModuleCopy(MODULE, write, (Path(source_changes.__file__), Path(__file__)))
"""The CLI as it is built here."""
