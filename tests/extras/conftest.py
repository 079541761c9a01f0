"""The demo is run like the other commands."""

from commands.runs import dataload, recordings  # noqa: F401
from sound_fixtures import noise, speech, speech_files, without_libsndfile  # noqa: F401
from stores import bucket, clip_folder, memory, s3  # noqa: F401
