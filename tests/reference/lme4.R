# Reference fits by lme4, in tight settings: Rscript lme4.R FOLDER OUT, called by make.py.
# FOLDER holds one CSV a case: y, x0 .. (fixed), z0 .. (random), group. lme4's optimisers stop in different places,
# so each case is fitted by several from several starts and the lowest criterion is the reference, by REML and, under
# "ml", by maximum likelihood; where lme4's own default ends is kept beside it.
# Degrees of freedom are those of lmerTest (Satterthwaite; its derivatives are numerical, good to about 1e-4) and of
# pbkrtest (Kenward-Roger, with the adjusted standard errors), one coefficient at a time, at that optimum. They are null
# where the optimum is on the boundary, and Kenward-Roger also above 2,000 rows: pbkrtest writes V out.
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest)})
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]

fit <- function(data, control, start = NULL, REML = TRUE) {
  fixed <- grep("^x[0-9]", names(data), value = TRUE)
  random <- grep("^z[0-9]", names(data), value = TRUE)
  formula <- as.formula(paste("y ~ 0 +", paste(fixed, collapse = " + "),
                              "+ (0 +", paste(random, collapse = " + "), "| group)"))
  suppressMessages(suppressWarnings(tryCatch(
    lme4::lmer(formula, data, REML = REML, control = control, start = start), error = function(problem) NULL)))
}
control <- function(optimizer, options) lmerControl(
  optimizer = optimizer, optCtrl = options, calc.derivs = FALSE, restart_edge = TRUE, boundary.tol = 1e-9,
  check.nobs.vs.nRE = "ignore", check.scaleX = "ignore", check.conv.singular = "ignore")
tight <- list(
  control("bobyqa", list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e6)),
  control("nloptwrap", list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, ftol_abs = 1e-13, maxeval = 1e6)),
  control("Nelder_Mead", list(FtolAbs = 1e-13, FtolRel = 1e-16, XtolRel = 1e-12, maxfun = 1e5)))
criterion <- function(model) if (isREML(model)) REMLcrit(model) else deviance(model)

best <- function(data, REML) {
  q <- length(grep("^z[0-9]", names(data)))
  diagonal <- as.numeric(diag(q)[lower.tri(diag(q), diag = TRUE)])
  starts <- if (nrow(data) > 5000) list(NULL) else list(NULL, 0.1 * diagonal, 3 * diagonal)
  lowest <- NULL
  try_fit <- function(control, start) {
    model <- fit(data, control, start, REML)
    if (!is.null(model) && (is.null(lowest) || criterion(model) < criterion(lowest))) lowest <<- model
  }
  for (start in starts) for (one in tight) try_fit(one, start)
  fine <- control("bobyqa", list(rhobeg = 1e-3, rhoend = 1e-12, maxfun = 1e6))
  for (again in 1:2) try_fit(fine, getME(lowest, "theta"))
  lowest
}

estimates <- function(model) list(
  beta = unname(fixef(model)), std_error = unname(sqrt(diag(as.matrix(vcov(model))))),
  random_cov = unname(as.matrix(VarCorr(model)[[1]]))[, , drop = FALSE], residual_var = sigma(model)^2)

# NULL, written as null, where a program gives up.
or_null <- function(value) tryCatch(suppressMessages(suppressWarnings(value)), error = function(problem) NULL)
inside <- function(model) {
  value <- unname(as.matrix(VarCorr(model)[[1]]))
  sd <- sqrt(diag(value))
  all(sd > 1e-4 * sigma(model)) && min(eigen(value / outer(sd, sd))$values) > 1e-8
}
satterthwaite <- function(model) or_null({
  p <- length(fixef(model))
  tested <- as_lmerModLmerTest(model)
  apply(diag(p), 1, function(one) contest1D(tested, one, ddf = "Satterthwaite")$df)
})
kenward_roger <- function(model) if (nobs(model) > 2000) NULL else or_null({
  p <- length(fixef(model))
  adjusted <- vcovAdj(model)
  list(df = apply(diag(p), 1, function(one) Lb_ddf(one, vcov(model), adjusted)),
       std_error = unname(sqrt(diag(as.matrix(adjusted)))))
})

describe <- function(data) {
  model <- best(data, TRUE)
  ml <- best(data, FALSE)
  usual <- fit(data, lmerControl(check.nobs.vs.nRE = "ignore", check.scaleX = "ignore"))
  c(list(criterion = criterion(model), default_criterion = if (is.null(usual)) NA else criterion(usual)),
    estimates(model), list(n_obs = nobs(model), n_groups = unname(ngrps(model))),
    list(satterthwaite = if (inside(model)) satterthwaite(model),
         kenward_roger = if (inside(model)) kenward_roger(model),
         ml = c(list(criterion = criterion(ml)), estimates(ml),
                list(satterthwaite = if (inside(ml)) satterthwaite(ml)))))
}

files <- sort(list.files(folder, pattern = "[.]csv$"))
results <- list()
for (file in files) {
  began <- proc.time()[["elapsed"]]
  name <- sub("[.]csv$", "", file)
  results[[name]] <- describe(read.csv(file.path(folder, file)))
  message(sprintf("%-24s %6.1f s", name, proc.time()[["elapsed"]] - began))
}
versions <- sapply(c("lme4", "lmerTest", "pbkrtest"), function(name) as.character(packageVersion(name)))
results <- c(list(about = c(list(R = R.version.string), as.list(versions))), results)
jsonlite::write_json(results, arguments[2], digits = I(15), auto_unbox = TRUE, matrix = "rowmajor", null = "null",
                     na = "null", pretty = TRUE)
