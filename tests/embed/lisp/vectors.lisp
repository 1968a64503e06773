; Vectors: old ones that refer to new objects, numbers in the place of
; references, copies that overlap.
; expect: 303 primes below 2000
; expect: 2000 cells, sum 1999000
; expect: #(0 0 1 2 3 4 5 6 7 9)

(define (cross v i step)
  (if (< i (vector-length v))
      (begin (vector-set! v i #f) (cross v (+ i step) step))))
(define (sieve v i count)
  (if (= i (vector-length v)) count
  (if (vector-ref v i)
      (begin (cross v (* i i) i) (sieve v (+ i 1) (+ count 1)))
      (sieve v (+ i 1) count))))
(display (sieve (make-vector 2000 #t) 2 0) " primes below 2000") (newline)

(define cells (make-vector 2000 '()))
(define (fill i)
  (if (< i 2000)
      (begin (vector-set! cells i (if (= (remainder i 3) 0) i (list i i)))
             (fill (+ i 1)))))
(define (value-of x) (if (pair? x) (car x) x))
(define (sum i s)
  (if (= i 2000) s (sum (+ i 1) (+ s (value-of (vector-ref cells i))))))
(fill 0) (collect) (fill 0)
(define (turn i)
  (if (< i 2000)
      (begin (vector-set! cells i
               (if (pair? (vector-ref cells i)) i (list i))) (turn (+ i 1)))))
(turn 0) (collect) (turn 0)
(display (vector-length cells) " cells, sum " (sum 0 0)) (newline)

(define v (make-vector 10 0))
(define (number i) (if (< i 10) (begin (vector-set! v i i) (number (+ i 1)))))
(number 0)
(vector-copy! v 1 v 0 8)
(display v) (newline)
