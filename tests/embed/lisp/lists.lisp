; Lists: recursion, higher-order functions, a merge sort.
; expect: (1 4 9 16 25)
; expect: (5 4 3 2 1)
; expect: (1 2 3 a x (nested . pair))
; expect: sorted #t of 2000
; expect: 50005000

(define (map f l)
  (if (null? l) l (cons (f (car l)) (map f (cdr l)))))
(define (append-reverse l tail)
  (if (null? l) tail (append-reverse (cdr l) (cons (car l) tail))))
(define (reverse l) (append-reverse l '()))
(define (count-down from to rest)
  (if (< from to) rest (count-down (- from 1) to (cons from rest))))
(define (range from to) (count-down to from '()))
(define (fold f sum l)
  (if (null? l) sum (fold f (f sum (car l)) (cdr l))))

(display (map (lambda (x) (* x x)) (range 1 5))) (newline)
(display (reverse (range 1 5))) (newline)
(display (list 1 2 3 'a "x" (cons 'nested 'pair))) (newline)

(define (merge a b result)
  (if (null? a) (append-reverse result b)
  (if (null? b) (append-reverse result a)
  (if (< (car b) (car a))
      (merge a (cdr b) (cons (car b) result))
      (merge (cdr a) b (cons (car a) result))))))
(define (halves l a b)
  (if (null? l) (cons a b) (halves (cdr l) b (cons (car l) a))))
(define (sort l)
  (if (null? l) l
  (if (null? (cdr l)) l
      (let ((two (halves l '() '())))
        (merge (sort (car two)) (sort (cdr two)) '())))))
(define (sorted? l)
  (if (null? l) #t
  (if (null? (cdr l)) #t
  (if (< (car (cdr l)) (car l)) #f (sorted? (cdr l))))))
(define (numbers n seed l)
  (if (= n 0) l
      (numbers (- n 1) (remainder (+ (* seed 1103515245) 12345) 2147483648)
               (cons seed l))))
(define some (sort (numbers 2000 42 '())))
(display "sorted " (sorted? some) " of " (fold (lambda (n x) (+ n 1)) 0 some))
(newline)
(display (fold + 0 (range 1 10000))) (newline)
