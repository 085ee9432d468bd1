"""SQL made from checked parts: filters, masked relations, free queries."""
