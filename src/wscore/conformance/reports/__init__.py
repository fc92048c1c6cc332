"""What a run is told as: JSON, which is also read again, JUnit's XML, one HTML page, and the terminal's table."""
