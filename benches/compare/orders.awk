# awk has no JSON: the orders are taken apart at quotation marks, which works for as long as their keys keep their order.
BEGIN { FS = "\"" }
{
    status = $14
    region = $28
    amount = substr($59, 2) + 0
    milliseconds = substr($61, 2) + 0
    orders["region=\"" region "\",status=\"" status "\""]++
    euros[status] += amount
    count[region]++
    sum[region] += milliseconds
}
END {
    for (labels in orders) printf "orders_total{%s} %d\n", labels, orders[labels]
    for (status in euros) printf "order_amount_eur_total{status=\"%s\"} %.2f\n", status, euros[status]
    for (region in count) {
        printf "order_latency_seconds_count{region=\"%s\"} %d\n", region, count[region]
        printf "order_latency_seconds_sum{region=\"%s\"} %.3f\n", region, sum[region] / 1000
    }
}
