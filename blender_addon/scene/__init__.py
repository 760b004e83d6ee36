"""Between files and Blender's data: everything here runs on the main thread."""
