"""What a repair does on a MinIO server beside the engine. Pure."""

from enum import StrEnum


class ActKind(StrEnum):
    """The kinds of acts, in words."""

    REMOVE_USER = "remove a user"
    END_TEMPORARY = "end the temporary credentials of a user"
    ATTACH_POLICY = "attach a policy of the program to a user"
    DETACH_POLICY = "take a policy from a user"
    JOIN_GROUP = "put a user back into a group of the program"
    LEAVE_GROUP = "take a user out of a group"
    REMOVE_ACCESS_KEY = "remove a further access key of a user"
    REMOVE_BUCKET_POLICY = "remove a bucket's policy"
    REMOVE_LIFECYCLE = "remove a bucket's lifecycle"
    REMOVE_QUOTA = "remove a bucket's quota"
