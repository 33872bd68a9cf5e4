# lme4 or lmerTest in a process of its own, speaking the language of worker.py: Rscript lme4.R lme4|lmerTest
# A fit is timed from formula and data frame to the table of estimates with standard errors (lmerTest: and Satterthwaite
# df); of a new response, lme4's `refit` alone.
suppressPackageStartupMessages({
  library(jsonlite)
  library(lme4)
})
engine <- commandArgs(trailingOnly = TRUE)[1]
lmer <- if (engine == "lmerTest") lmerTest::lmer else lme4::lmer
options(warn = -1)

about <- function() {
  blas <- basename(extSoftVersion()[["BLAS"]])
  versions <- list(R = paste0(getRversion(), " (", blas, ")"), lme4 = as.character(packageVersion("lme4")))
  if (engine == "lmerTest") versions$lmerTest <- as.character(packageVersion("lmerTest"))
  versions
}

peak <- function() { # bytes; VmHWM is the process's own
  if (!file.exists("/proc/self/status")) return(NA)
  line <- grep("^VmHWM:", readLines("/proc/self/status"), value = TRUE)
  1024 * as.numeric(gsub("[^0-9]", "", line))
}

doubles <- function(folder, name, n) readBin(file.path(folder, paste0(name, ".f64")), "double", n, endian = "little")

load_data <- function(folder) {
  described <- fromJSON(file.path(folder, "about.json"))
  n <- described$visits
  frame <- as.data.frame(sapply(described$columns, function(name) doubles(folder, name, n), simplify = FALSE))
  frame$person <- as.integer(frame$person)
  frame <<- frame
  responses <<- matrix(doubles(folder, "responses", n * described$responses), n)
  list(can = if (engine == "lme4") c("fit", "refits") else list("fit"), about = about())
}

fit_frame <- function() lmer(pda ~ contact * time + alliance * time + entry + female + (1 + time | person), frame)

found <- function(fit) {
  L <- matrix(c(getME(fit, "theta")[1:2], 0, getME(fit, "theta")[3]), 2)
  list(T = L %*% t(L), residual_var = sigma(fit)^2, converged = length(grep("singular", fit@optinfo$conv$lme4$messages, invert = TRUE)) == 0)
}

note <- function(fit) { # REML takes off one degree of freedom a fixed effect; lme4 1.1-31's refit takes off one in all
  taken <- fit@devcomp$dims[["REML"]]
  if (taken == length(fixef(fit))) return("")
  paste0("lme4's `refit` takes ", taken, " degree of freedom off for the ", length(fixef(fit)), " fixed effects ",
         "(`mkRespMod(REML = isREML(object))`), so what it minimises is not the model's REML criterion.")
}

clock <- function(work) {
  gc()
  start <- as.numeric(Sys.time())
  result <- work()
  list(seconds = as.numeric(Sys.time()) - start, result = result)
}

# Power by simulation with one cohort's predictors, as simr does it; without simr, its loop: simulate, refit, Wald test.
power <- function(request) {
  # The study has fewer visits than random effects (one a person in many cases), which lmer refuses unless told.
  model <- lmer(as.formula(request$formula), frame, control = lmerControl(check.nobs.vs.nRE = "ignore"))
  beta <- unlist(request$beta)[names(fixef(model))]
  beta[is.na(beta)] <- 0
  names(beta) <- names(fixef(model))
  if (request$simr) return(power_simr(model, beta, request))
  truth <- list(beta = beta, theta = request$theta, sigma = request$sigma)
  set.seed(request$seed)
  timed <- clock(function() {
    replicate(request$replicates, {
      again <- refit(model, simulate(model, newparams = truth)[[1]])
      z <- fixef(again)[[request$term]] / sqrt(vcov(again)[request$term, request$term])
      2 * pnorm(-abs(z)) < 0.05
    })
  })
  share <- mean(timed$result)
  list(seconds = timed$seconds, power = share, power_mcse = sqrt(share * (1 - share) / request$replicates))
}

power_simr <- function(model, beta, request) {
  L <- matrix(c(request$theta[1:2], 0, request$theta[3]), 2)
  model <- simr::`fixef<-`(model, beta)
  model <- simr::`VarCorr<-`(model, request$sigma^2 * L %*% t(L))
  model <- simr::`sigma<-`(model, request$sigma)
  timed <- clock(function() {
    simr::powerSim(model, simr::fixed(request$term, "z"), nsim = request$replicates, seed = request$seed, progress = FALSE)
  })
  share <- summary(timed$result)$mean
  list(seconds = timed$seconds, power = share, power_mcse = sqrt(share * (1 - share) / request$replicates))
}

answer <- function(request) switch(request$do,
  power = power(request),
  load = load_data(request$folder),
  fit = {
    timed <- clock(function() {
      fit <- fit_frame()
      list(fit, coef(summary(fit)))
    })
    list(seconds = timed$seconds, found = found(timed$result[[1]]))
  },
  refits = {
    if (is.null(prepared)) prepared <<- fit_frame()
    columns <- seq(request$from + 1, request$to)
    timed <- clock(function() lapply(columns, function(column) refit(prepared, responses[, column])))
    list(seconds = timed$seconds, found = lapply(timed$result, found), at_once = FALSE, note = note(timed$result[[1]]))
  }
)

frame <- responses <- prepared <- NULL
input <- file("stdin", "r")
while (length(line <- readLines(input, n = 1)) > 0) {
  reply <- tryCatch(answer(fromJSON(line)), error = function(problem) list(error = conditionMessage(problem)))
  reply$peak <- peak()
  cat(toJSON(reply, auto_unbox = TRUE, digits = I(17)), "\n", sep = "")
  flush(stdout())
}
