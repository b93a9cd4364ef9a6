"""The variables of a workflow's job, as the engine that it starts gets them."""

from tools.ci.engine import environment


def test_secrets_of_a_job_reach_the_engine_under_the_names_that_it_knows() -> None:
    """An empty one, as a job has for a secret that is not set, hides nothing."""
    given = environment({"STATE_ACCESS_KEY_ID": "id", "STATE_SECRET_ACCESS_KEY": "secret"})
    assert (given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]) == ("id", "secret")

    oidc = environment({"STATE_ACCESS_KEY_ID": "", "AWS_ACCESS_KEY_ID": "of-the-role"})
    assert oidc["AWS_ACCESS_KEY_ID"] == "of-the-role"
    assert "STATE_ACCESS_KEY_ID" not in oidc
