"""The sounds that these tests share."""

from sound_fixtures import noise, speech, speech_files, without_libsndfile  # noqa: F401
