# Reference fits by lme4, in tight settings: Rscript lme4.R FOLDER OUT, called by make.py.
# FOLDER holds one CSV a case: y, x0 .. (fixed), z0 .. (random), group. lme4's optimisers stop in different places,
# so each case is fitted by several from several starts and the lowest REML criterion is the reference; where lme4's
# own default ends is kept beside it.
suppressPackageStartupMessages(library(lme4))
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]

fit <- function(data, control, start = NULL) {
  fixed <- grep("^x[0-9]", names(data), value = TRUE)
  random <- grep("^z[0-9]", names(data), value = TRUE)
  formula <- as.formula(paste("y ~ 0 +", paste(fixed, collapse = " + "),
                              "+ (0 +", paste(random, collapse = " + "), "| group)"))
  suppressMessages(suppressWarnings(tryCatch(
    lmer(formula, data, REML = TRUE, control = control, start = start), error = function(problem) NULL)))
}
control <- function(optimizer, options) lmerControl(
  optimizer = optimizer, optCtrl = options, calc.derivs = FALSE, restart_edge = TRUE, boundary.tol = 1e-9,
  check.nobs.vs.nRE = "ignore", check.scaleX = "ignore", check.conv.singular = "ignore")
tight <- list(
  control("bobyqa", list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e6)),
  control("nloptwrap", list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, ftol_abs = 1e-13, maxeval = 1e6)),
  control("Nelder_Mead", list(FtolAbs = 1e-13, FtolRel = 1e-16, XtolRel = 1e-12, maxfun = 1e5)))

best <- function(data) {
  q <- length(grep("^z[0-9]", names(data)))
  diagonal <- as.numeric(diag(q)[lower.tri(diag(q), diag = TRUE)])
  starts <- if (nrow(data) > 5000) list(NULL) else list(NULL, 0.1 * diagonal, 3 * diagonal)
  lowest <- NULL
  try_fit <- function(control, start) {
    model <- fit(data, control, start)
    if (!is.null(model) && (is.null(lowest) || REMLcrit(model) < REMLcrit(lowest))) lowest <<- model
  }
  for (start in starts) for (one in tight) try_fit(one, start)
  fine <- control("bobyqa", list(rhobeg = 1e-3, rhoend = 1e-12, maxfun = 1e6))
  for (again in 1:2) try_fit(fine, getME(lowest, "theta"))
  lowest
}

describe <- function(data) {
  model <- best(data)
  usual <- fit(data, lmerControl(check.nobs.vs.nRE = "ignore", check.scaleX = "ignore"))
  list(criterion = REMLcrit(model), default_criterion = if (is.null(usual)) NA else REMLcrit(usual),
       beta = unname(fixef(model)), std_error = unname(sqrt(diag(as.matrix(vcov(model))))),
       random_cov = unname(as.matrix(VarCorr(model)[[1]]))[, , drop = FALSE],
       residual_var = sigma(model)^2, n_obs = nobs(model), n_groups = unname(ngrps(model)))
}

files <- sort(list.files(folder, pattern = "[.]csv$"))
results <- lapply(files, function(file) describe(read.csv(file.path(folder, file))))
names(results) <- sub("[.]csv$", "", files)
results <- c(list(about = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")))), results)
jsonlite::write_json(results, arguments[2], digits = I(15), auto_unbox = TRUE, matrix = "rowmajor", pretty = TRUE)
