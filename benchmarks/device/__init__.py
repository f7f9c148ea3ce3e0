"""What is measured on a device, in how much time, and what is packed for a device that no network reaches."""
