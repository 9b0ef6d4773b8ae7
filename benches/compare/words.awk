/ERROR/ { count++ }
END { print "errors_total", count + 0 }
