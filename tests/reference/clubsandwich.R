# Reference values by clubSandwich: Rscript clubsandwich.R FOLDER OUT, called by make.py.
# FOLDER holds one CSV a case: y, x0 .. (fixed), z0 .. (random), group. Each is fitted by lme4 (REML, tight) and
# its coefficients are given CR2 errors with Satterthwaite's df, the model's own V being the working covariance.
# Debian: r-cran-lme4 r-cran-clubsandwich r-cran-jsonlite
suppressPackageStartupMessages({library(lme4); library(clubSandwich)})
arguments <- commandArgs(trailingOnly = TRUE)

describe <- function(data) {
  fixed <- grep("^x[0-9]", names(data), value = TRUE)
  random <- grep("^z[0-9]", names(data), value = TRUE)
  formula <- as.formula(paste("y ~ 0 +", paste(fixed, collapse = " + "),
                              "+ (0 +", paste(random, collapse = " + "), "| group)"))
  control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e6),
                         calc.derivs = FALSE, boundary.tol = 1e-9, check.nobs.vs.nRE = "ignore",
                         check.scaleX = "ignore", check.conv.singular = "ignore")
  model <- suppressMessages(lmer(formula, data, REML = TRUE, control = control))
  tested <- coef_test(model, vcov = "CR2", cluster = data$group, test = "Satterthwaite")
  left <- data.frame(ranef(model)$group)
  list(criterion = REMLcrit(model), estimate = tested$beta, std_error = tested$SE, df = tested$df_Satt,
       random = left[order(as.numeric(rownames(left))), , drop = FALSE], conditional = unname(residuals(model)))
}

results <- list(about = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                             clubSandwich = as.character(packageVersion("clubSandwich"))))
for (file in sort(list.files(arguments[1], pattern = "[.]csv$")))
  results[[sub("[.]csv$", "", file)]] <- describe(read.csv(file.path(arguments[1], file)))
jsonlite::write_json(results, arguments[2], digits = I(12), auto_unbox = TRUE, dataframe = "columns", pretty = FALSE)
