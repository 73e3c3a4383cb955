"""What people look at: charts, sheets of pictures, films."""
