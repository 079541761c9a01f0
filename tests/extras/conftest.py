"""The demo is run like the other commands."""

from commands.runs import dataload, recordings  # noqa: F401
from sound_fixtures import noise, speech, speech_files, without_libsndfile  # noqa: F401
from stores import azurite, bucket, clip_folder, clips, make_bucket, memory, s3, s3rver  # noqa: F401
