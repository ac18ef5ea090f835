"""How the small backbone was made: drawn animals that are no drawn dogs, and the script that trains on them."""
