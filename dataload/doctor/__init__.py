"""What bounds a training loop, and what makes it faster: measured, and tried on the same source."""

from dataload.doctor.examine import examine as examine
