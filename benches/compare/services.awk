$2 == "ERROR" { count[$3]++ }
END { for (service in count) printf "errors_total{service=\"%s\"} %d\n", service, count[service] }
