"""How what the course ships was made: one script each. The arrays lie beside what reads them."""
