"""The tables of the film shop, as `inspectdb` finds them: they belong to another program."""

from django.db import models


class Customer(models.Model):
    """Who rents."""

    customer_id = models.AutoField(primary_key=True)
    first_name = models.TextField()
    last_name = models.TextField()
    email = models.TextField(null=True)

    class Meta:
        """Where it lies."""

        managed = False
        db_table = "customer"


class Rental(models.Model):
    """One film for some days."""

    rental_id = models.AutoField(primary_key=True)
    customer = models.ForeignKey(Customer, models.DO_NOTHING, related_name="rentals")
    rental_date = models.DateTimeField()
    return_date = models.DateTimeField(null=True)

    class Meta:
        """Where it lies."""

        managed = False
        db_table = "rental"
