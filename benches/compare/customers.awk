BEGIN { FS = "\"customer\":{\"id\":" }
{ count[$2 + 0]++ }
END { for (customer in count) printf "customer_orders_total{customer=\"%d\"} %d\n", customer, count[customer] }
