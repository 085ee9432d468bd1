"""The tables of the film shop that this program knows."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All tables."""


class Customer(Base):
    """Who rents."""

    __tablename__ = "customer"
    customer_id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[str | None]
    rentals: Mapped[list["Rental"]] = relationship(back_populates="customer", order_by="Rental.rental_date")


class Rental(Base):
    """One film for some days."""

    __tablename__ = "rental"
    rental_id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.customer_id"))
    rental_date: Mapped[datetime]
    return_date: Mapped[datetime | None]
    customer: Mapped[Customer] = relationship(back_populates="rentals")
