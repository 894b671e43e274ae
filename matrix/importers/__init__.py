"""Other projects' matrices as our recipes. Pure: parsed files in, records and a report out."""
