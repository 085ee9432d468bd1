"""What the film shop does with rentals."""

from datetime import datetime

from sqlalchemy.orm import Session

from shop.models import Customer


def give_back(session: Session, customer_id: int, now: datetime) -> int:
    """Everything that a customer still has comes back; how much it was. Commits."""
    customer = session.get_one(Customer, customer_id)
    still_out = [rental for rental in customer.rentals if rental.return_date is None]
    for rental in still_out:
        rental.return_date = now
    session.commit()
    return len(still_out)
