; Threads share symbols, a map, and what they are given; an error of one is told
; to who joins it.
; expect: sums (2600 2600 2600 2600)
; expect: the same symbols #t
; expect: map 200 of 200
; expect: nobody joined
; expect-error: lisp: car: wrong argument

(define (map f l) (if (null? l) l (cons (f (car l)) (map f (cdr l)))))
(define (append a b) (if (null? a) b (cons (car a) (append (cdr a) b))))
(define (count-down from to rest)
  (if (< from to) rest (count-down (- from 1) to (cons from rest))))
(define (range from to) (count-down to from '()))
(define (name n) (string->symbol (string-append "shared-" (number->string n))))
(define shared (make-map))

; Garbage, and 50 pairs that the map gets; what comes of it holds them.
(define (work id)
  (lambda ()
    (let ((keys (map (lambda (n) (list n id)) (range 1 50))))
      (let ((sums (map (lambda (key) (begin
                         (map-put! shared key (cons key (car key)))
                         (make-vector 20 key)
                         (* 2 (car key)))) keys)))
        (cons keys (cons sums (map name (range 1 50))))))))
(define threads (map (lambda (id) (spawn (work id))) '(a b c d)))
(define results (map join threads))
(define (sum l s) (if (null? l) s (sum (cdr l) (+ s (car l)))))
(define (sums-of r) (+ 50 (sum (car (cdr r)) 0)))
(display "sums " (map sums-of results)) (newline)

(define (same? a b)
  (if (null? a) (null? b) (if (eq? (car a) (car b)) (same? (cdr a) (cdr b)) #f)))
(define (symbols-of r) (cdr (cdr r)))
(define (all-same? l)
  (if (null? (cdr l)) #t
      (if (same? (symbols-of (car l)) (symbols-of (car (cdr l))))
          (all-same? (cdr l)) #f)))
(display "the same symbols " (all-same? results)) (newline)

(define (found keys n)
  (if (null? keys) n
      (found (cdr keys)
             (if (eq? (car (map-get shared (car keys))) (car keys)) (+ n 1) n))))
(display "map " (map-count shared) " of "
         (sum (map (lambda (r) (found (car r) 0)) results) 0)) (newline)

(define (spawn-many n)
  (if (< 0 n) (begin (spawn (lambda () (range 1 100))) (spawn-many (- n 1)))))
(spawn-many 5)
(display "nobody joined") (newline)
(join (spawn (lambda () (car 'a))))
