; Trees that live long beside many that do not.
; expect: 2047 at the end
; expect: 20470 in all

(define (tree depth)
  (if (= depth 0) '() (cons (tree (- depth 1)) (tree (- depth 1)))))
(define (nodes t) (if (null? t) 0 (+ 1 (nodes (car t)) (nodes (cdr t)))))
(define kept (tree 11))
(define (churn n sum)
  (if (= n 0) sum (churn (- n 1) (+ sum (nodes (tree 11))))))
(define all (churn 10 0))
(display (nodes kept) " at the end") (newline)
(display all " in all") (newline)
