"""Two pages: what a customer has rented, and giving it back."""

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from shop.models import Customer


@require_GET
def rentals(_: HttpRequest, customer_id: int) -> JsonResponse:
    """How much a customer has rented, and how much of it is still out."""
    mine = get_object_or_404(Customer, pk=customer_id).rentals
    return JsonResponse({"all": mine.count(), "out": mine.filter(return_date=None).count()})


@require_POST
def give_back(_: HttpRequest, customer_id: int) -> JsonResponse:
    """Everything that a customer still has comes back."""
    mine = get_object_or_404(Customer, pk=customer_id).rentals
    return JsonResponse({"returned": mine.filter(return_date=None).update(return_date=timezone.now())})


urlpatterns = [
    path("customers/<int:customer_id>/rentals", rentals),
    path("customers/<int:customer_id>/give-back", give_back),
]
