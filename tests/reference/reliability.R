# Reference values for helpers.measures, in base R alone (no psych, no lavaan).
# Run in this folder: Rscript reliability.R > reliability.json
#
# Data: `attitude` (30 departments, 7 ratings; shipped with R) and 80 made-up answers to 5 items, rounded to 1..7.
# The one-factor fit is factanal's (L-BFGS-B on the uniquenesses); the standard error of omega comes from the general
# formula for covariance structures, (n - 1) / 2 * J' D' (Sigma^-1 x Sigma^-1) D J, with J by central differences.

options(digits = 17)
interval <- 0.95

duplication <- function(k) {
  D <- matrix(0, k * k, k * (k + 1) / 2)
  place <- matrix(0, k, k)
  place[lower.tri(place, TRUE)] <- seq_len(k * (k + 1) / 2)
  place <- pmax(place, t(place))
  for (i in seq_len(k * k)) D[i, place[i]] <- 1
  D
}

differences <- function(f, x, h = 1e-5) {
  sapply(seq_along(x), function(i) {
    e <- replace(numeric(length(x)), i, h)
    (f(x + e) - f(x - e)) / (2 * h)
  })
}

reference <- function(X) {
  n <- nrow(X); k <- ncol(X); S <- cov(X); R <- cor(X)
  alpha <- k / (k - 1) * (1 - sum(diag(S)) / var(rowSums(X)))
  limits <- 1 - (1 - alpha) * qf(c(1 + interval, 1 - interval) / 2, n - 1, (n - 1) * (k - 1))
  rest <- sapply(seq_len(k), function(j) cor(X[, j], rowSums(X[, -j])))

  fit <- factanal(X, 1, control = list(nstart = 5, lower = 1e-4, opt = list(factr = 1, pgtol = 0, maxit = 1e4)))
  loading <- as.numeric(fit$loadings); loading <- loading * sign(sum(loading))
  unique <- as.numeric(fit$uniquenesses)
  Sigma <- loading %o% loading + diag(unique)
  chi2 <- (n - 1) * (log(det(Sigma)) - log(det(R)) + sum(diag(R %*% solve(Sigma))) - k)
  df <- k * (k - 3) / 2
  ncp <- function(p) {
    if (pchisq(chi2, df) <= p) return(0)
    uniroot(function(x) pchisq(chi2, df, x) - p, c(0, 1000), tol = 1e-10)$root
  }
  rmsea <- sqrt(c(max(chi2 - df, 0), ncp(0.95), ncp(0.05)) / (df * (n - 1)))
  residual <- (R - Sigma)[lower.tri(R, TRUE)]

  sd <- sqrt(diag(S))
  theta <- c(loading * sd, unique * sd^2)
  omega <- function(theta) {
    common <- sum(theta[1:k])^2
    common / (common + sum(theta[-(1:k)]))
  }
  vech <- function(theta) {
    M <- theta[1:k] %o% theta[1:k] + diag(theta[-(1:k)])
    M[lower.tri(M, TRUE)]
  }
  J <- differences(vech, theta); D <- duplication(k)
  W <- solve(matrix(vech_to_full(vech(theta), k), k))
  information <- (n - 1) / 2 * t(J) %*% t(D) %*% kronecker(W, W) %*% D %*% J
  gradient <- differences(omega, theta)
  error <- sqrt(drop(gradient %*% solve(information) %*% gradient))
  half <- qnorm((1 + interval) / 2) * error / (1 - omega(theta))
  centre <- log(1 - omega(theta)) - log(n / (n - 1))
  list(
    items = t(X), alpha = c(alpha, limits), item_rest = rest, loading = loading,
    chi2 = chi2, rmsea = rmsea, srmr = sqrt(mean(residual^2)), share = mean(loading^2),
    eigen_ratio = eigen(R)$values[1] / eigen(R)$values[2],
    omega = c(omega(theta), 1 - exp(centre + half), 1 - exp(centre - half)), omega_error = error
  )
}

vech_to_full <- function(v, k) {
  M <- matrix(0, k, k)
  M[lower.tri(M, TRUE)] <- v
  M + t(M) - diag(diag(M))
}

json <- function(x) {
  if (is.list(x)) {
    return(paste0("{", paste0("\"", names(x), "\": ", sapply(x, json), collapse = ",\n "), "}"))
  }
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, json), collapse = ",\n  "), "]"))
  text <- format(x, digits = 15, trim = TRUE)
  if (length(x) == 1) text else paste0("[", paste(text, collapse = ", "), "]")
}

set.seed(20160216, kind = "Mersenne-Twister", normal.kind = "Inversion")
factor <- rnorm(80)
answers <- sapply(c(0.9, 1.2, 0.7, 1.0, 0.5), function(l) pmin(pmax(round(5 + l * factor + 0.8 * rnorm(80)), 1), 7))
cat(json(list(attitude = reference(as.matrix(attitude)), answers = reference(answers))), "\n", sep = "")
